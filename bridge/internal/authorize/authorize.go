package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Authorize answers GET /authorize. Each call begins a fresh flow, and nothing is written but the browser's cookie.
func (h *Handler) Authorize(w http.ResponseWriter, r *http.Request) {
	request, refused := h.parse(r.URL.RawQuery)
	if refused == nil {
		h.beginAsked(w, r, request)
		return
	}
	if refused.shown != nil {
		h.log(r.Context(), nil).Warn("authorization request refused", "reason", refused.shown.Fault, "error", refused.cause)
		h.metrics.refused.WithLabelValues(request.ClientID, string(refused.shown.Fault)).Inc()
		h.show(w, r, http.StatusBadRequest, *refused.shown)
		return
	}
	h.log(r.Context(), nil).Warn("authorization request refused", "client_id", request.ClientID, "error", refused.redirected)
	h.metrics.refused.WithLabelValues(request.ClientID, refused.redirected.Code).Inc()
	redirect(w, errorAnswer(&request, h.config.PublicURL, refused.redirected))
}

// refusal is why an authorization request goes no further: shown on a page, or told to Alexa by redirect.
type refusal struct {
	shown      *templates.ErrorPage
	cause      error // of what is shown
	redirected *oauth.Error
}

// parse checks an authorization request. Of a request that is refused it returns as much as the answer needs: the client
// id only when it is a skill's, the redirect URI only when it is that skill's.
func (h *Handler) parse(rawQuery string) (bridge.AuthorizationRequest, *refusal) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		page := &templates.ErrorPage{Fault: templates.FaultUnknownSkill}
		return bridge.AuthorizationRequest{}, &refusal{shown: page, cause: errors.New("malformed query")}
	}
	request, skill, refused := h.parseClient(query)
	if refused != nil {
		return request, refused
	}
	if err := parseParameters(&request, query, skill); err != nil {
		return request, &refusal{redirected: err}
	}
	known, unknown := skill.KnownScopes(strings.Fields(query.Get("scope")))
	request.Scope = strings.Join(known, " ")
	if len(unknown) > 0 {
		h.deps.Log.Info("unknown scopes dropped", "client_id", request.ClientID,
			"scopes", upstream.LogText(strings.Join(unknown, " ")))
	}
	return request, nil
}

// parseClient checks what must be right before anybody is redirected: client and redirect URI.
func (h *Handler) parseClient(query url.Values) (bridge.AuthorizationRequest, *bridge.Skill, *refusal) {
	var request bridge.AuthorizationRequest
	clientID, clientOnce := oauth.Single(query, "client_id")
	redirectURI, redirectOnce := oauth.Single(query, "redirect_uri")
	shown := func(fault templates.Fault, cause string) *refusal {
		page := &templates.ErrorPage{Fault: fault, Host: hostOf(redirectURI)}
		return &refusal{shown: page, cause: errors.New(cause)}
	}
	skill := h.config.Skills[clientID]
	switch {
	case !clientOnce:
		return request, nil, shown(templates.FaultUnknownSkill, "client_id repeated; is one typed into the Authorization URI?")
	case skill == nil:
		return request, nil, shown(templates.FaultUnknownSkill, "unknown client_id: "+upstream.LogText(clientID))
	}
	request.ClientID = clientID
	switch {
	case !redirectOnce:
		return request, nil, shown(templates.FaultRedirectURI, "redirect_uri repeated")
	case !skill.HasRedirectURI(redirectURI):
		return request, nil, shown(templates.FaultRedirectURI, "redirect_uri is not the skill's; its host: "+hostOf(redirectURI))
	}
	request.RedirectURI = redirectURI
	return request, skill, nil
}

// parseParameters checks the rest of a request into its place. State and response type come first, because the answer to
// any other fault needs them.
func parseParameters(request *bridge.AuthorizationRequest, query url.Values, skill *bridge.Skill) *oauth.Error {
	state, stateOnce := oauth.Single(query, "state")
	responseType, typeOnce := oauth.Single(query, "response_type")
	request.State, request.ResponseType = state, responseType
	if !stateOnce || !typeOnce {
		return oauth.Errorf(oauth.InvalidRequest, "A parameter is repeated.")
	}
	for _, name := range []string{"scope", "code_challenge", "code_challenge_method"} {
		if _, once := oauth.Single(query, name); !once {
			return oauth.Errorf(oauth.InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	if len(state) > bridge.MaxStateBytes {
		request.State = "" // an answer that repeats it would be too long for a proxy
		return oauth.Errorf(oauth.InvalidRequest, "The state is longer than %d bytes.", bridge.MaxStateBytes)
	}
	if err := checkResponseType(responseType, skill); err != nil || responseType != bridge.ResponseTypeCode {
		return err
	}
	challenge, err := codeChallenge(query, skill)
	request.CodeChallenge = challenge
	return err
}

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// codeChallenge reads a challenge of RFC 7636. Only S256 is taken: plain protects nothing that a redirect does not show.
func codeChallenge(query url.Values, skill *bridge.Skill) (string, *oauth.Error) {
	challenge, method := query.Get("code_challenge"), query.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && !skill.RequirePKCE:
		return "", nil
	case challenge == "":
		return "", oauth.Errorf(oauth.InvalidRequest, "The parameter code_challenge is missing.")
	case method != "S256":
		return "", oauth.Errorf(oauth.InvalidRequest, "The code_challenge_method must be S256.")
	case !challengeForm.MatchString(challenge):
		return "", oauth.Errorf(oauth.InvalidRequest, "The code_challenge is not one of S256.")
	}
	return challenge, nil
}

func checkResponseType(responseType string, skill *bridge.Skill) *oauth.Error {
	switch responseType {
	case "":
		return oauth.Errorf(oauth.InvalidRequest, "The parameter response_type is missing.")
	case bridge.ResponseTypeToken:
		if skill.HasGrant(bridge.GrantImplicit) {
			return nil
		}
	case bridge.ResponseTypeCode:
		if skill.HasGrant(bridge.GrantAuthorizationCode) {
			return nil
		}
	default:
		return oauth.Errorf(oauth.UnsupportedResponseType, "The response_type is not supported.")
	}
	return oauth.Errorf(oauth.UnauthorizedClient, "The skill may not use this response_type.")
}

// beginAsked begins the flow that an authorization request asked for.
func (h *Handler) beginAsked(w http.ResponseWriter, r *http.Request, request bridge.AuthorizationRequest) {
	f := newFlow(request, h.config.Skills[request.ClientID].Provider, h.deps.Now())
	if h.config.Upstreams[f.provider].RefusesEmbeddedBrowsers() && looksEmbedded(r.UserAgent()) {
		h.log(r.Context(), f).Info("embedded browser: asked to open another")
		if h.keep(w, r, f) {
			h.show(w, r, http.StatusForbidden, templates.ErrorPage{Fault: templates.FaultEmbeddedBrowser,
				Retry: templates.RetryRestart, Flow: f.id(), Token: f.formToken()})
		}
		return
	}
	h.begin(w, r, f, upstream.PromptDefault, templates.ErrorPage{Fault: templates.FaultProviderDown, Retry: templates.RetryReload})
}

// begin sends the browser to the provider, with the flow in its cookie. When the provider is out of reach, the page given
// says so.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, f *flow, prompt upstream.Prompt, down templates.ErrorPage) {
	if !h.config.Skills[f.request.ClientID].Consent {
		prompt = upstream.PromptLogin
	}
	location, err := h.config.Upstreams[f.provider].AuthorizationURL(r.Context(), f.login(), prompt)
	if err != nil {
		h.providerDown(w, r, f, err, down)
		return
	}
	if h.keep(w, r, f) {
		h.log(r.Context(), f).Info("sign-in begun")
		redirect(w, location)
	}
}

// keep puts the flow into the browser's cookie, or answers the request when it does not fit.
func (h *Handler) keep(w http.ResponseWriter, r *http.Request, f *flow) bool {
	err := h.cookies.put(w, r, f)
	if err != nil {
		h.refuse(w, r, f, oauth.InvalidRequest, "too_large", err)
	}
	return err == nil
}

func (h *Handler) providerDown(w http.ResponseWriter, r *http.Request, f *flow, err error, page templates.ErrorPage) {
	h.metrics.refused.WithLabelValues(f.request.ClientID, string(page.Fault)).Inc()
	h.log(r.Context(), f).Error("provider unavailable", "error", err)
	w.Header().Set("Retry-After", "5")
	h.show(w, r, http.StatusServiceUnavailable, page)
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?$`)

// hostOf returns the host of a redirect URI that was asked for, or nothing when there is none that could be shown.
func hostOf(redirectURI string) string {
	parsed, err := url.Parse(redirectURI)
	if err != nil || !hostForm.MatchString(parsed.Host) {
		return ""
	}
	return parsed.Host
}

// looksEmbedded recognises the browsers that apps embed: Android's names itself wv; Apple's leaves Safari out.
func looksEmbedded(userAgent string) bool {
	if strings.Contains(userAgent, "Android") {
		return strings.Contains(userAgent, "; wv)")
	}
	apple := strings.Contains(userAgent, "iPhone") || strings.Contains(userAgent, "iPad")
	return apple && strings.Contains(userAgent, "AppleWebKit") && !strings.Contains(userAgent, "Safari/")
}
