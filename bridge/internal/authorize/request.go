package authorize

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// parseRequest checks an authorization request. Together with an error it returns what the response needs: the client
// id only if it is a skill's, the redirect URI only if it is that skill's. Errors are [*httperror.Error] until client
// and redirect URI are valid, and [*oauth.Error] after that.
func (h *Handler) parseRequest(ctx context.Context, rawQuery string) (bridge.AuthorizationRequest, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return bridge.AuthorizationRequest{},
			rejectedPage(templates.PageUnknownSkill, http.StatusBadRequest, "the query is malformed")
	}
	request, skill, err := h.parseClient(query)
	if err != nil {
		return request, err
	}
	if err := parseParameters(&request, query, skill); err != nil {
		return request, err
	}
	known, unknown := skill.KnownScopes(strings.Fields(query.Get("scope")))
	request.Scope = strings.Join(known, " ")
	if len(unknown) > 0 {
		request.ScopeReduced = true
		h.logSampled(ctx, &flow{request: request}, "unknown scopes dropped",
			"scopes", upstream.LogText(strings.Join(unknown, " ")))
	}
	return request, nil
}

// parseClient checks what must be valid before anybody is redirected: client and redirect URI.
func (h *Handler) parseClient(query url.Values) (bridge.AuthorizationRequest, *bridge.Skill, error) {
	var request bridge.AuthorizationRequest
	clientID, redirectURI := query.Get("client_id"), query.Get("redirect_uri")
	skill := h.Clients.Skill(clientID)
	invalid := func(page templates.ErrorPage, cause string) error {
		err := rejectedPage(page, http.StatusBadRequest, cause)
		if oauth.CheckRepeated(query, "redirect_uri") == nil {
			err.Page.Host = hostOf(redirectURI)
		}
		return err
	}
	switch {
	case oauth.CheckRepeated(query, "client_id") != nil:
		return request, nil, invalid(templates.PageUnknownSkill,
			"client_id is repeated; remove it from the Authorization URI in the developer console")
	case skill == nil:
		return request, nil, invalid(templates.PageUnknownSkill, "unknown client_id: "+upstream.LogText(clientID))
	}
	request.ClientID = clientID
	switch {
	case oauth.CheckRepeated(query, "redirect_uri") != nil:
		return request, nil, invalid(templates.PageRedirectURI, "redirect_uri is repeated")
	case !hasRedirectURI(skill, redirectURI):
		return request, nil, invalid(templates.PageRedirectURI, foreignRedirectURI(skill, redirectURI))
	}
	request.RedirectURI = redirectURI
	return request, skill, nil
}

// foreignRedirectURI says in which way a redirect URI is not the skill's.
func foreignRedirectURI(skill *bridge.Skill, redirectURI string) string {
	asked := alexa.VendorID(redirectURI)
	if asked == "" {
		return fmt.Sprintf("redirect_uri is not registered for the skill; its host is %q", hostOf(redirectURI))
	}
	var configured []string
	for _, uri := range skill.RedirectURIs {
		if id := alexa.VendorID(uri); id != "" && !slices.Contains(configured, id) {
			configured = append(configured, id)
		}
	}
	if slices.Contains(configured, asked) {
		return "redirect_uri has vendor id " + asked + " of the skill, but is not one of its redirect URIs; " +
			"set vendor_ids for all of them"
	}
	return fmt.Sprintf("redirect_uri has vendor id %s, the skill has vendor_ids %v", asked, configured)
}

// hasRedirectURI reports whether a redirect URI is one of the skill's, by simple string comparison (RFC 9700 §2.1).
func hasRedirectURI(skill *bridge.Skill, redirectURI string) bool {
	return slices.Contains(skill.RedirectURIs, redirectURI)
}

// parseParameters checks the other parameters and puts them into the request. State and response type come first,
// because the response to any other error needs them.
func parseParameters(request *bridge.AuthorizationRequest, query url.Values, skill *bridge.Skill) error {
	if oauth.CheckRepeated(query, "state") == nil {
		request.State = query.Get("state")
	}
	if oauth.CheckRepeated(query, "response_type") == nil {
		request.ResponseType = query.Get("response_type")
	}
	err := oauth.CheckRepeated(query, "state", "response_type", "scope", "code_challenge", "code_challenge_method")
	if err != nil {
		return err
	}
	if len(request.State) > bridge.MaxStateBytes {
		request.State = "" // a response that repeats it would be too long for a proxy
		return oauth.Errorf(oauth.InvalidRequest, "The state is longer than %d bytes.", bridge.MaxStateBytes)
	}
	err = checkResponseType(request.ResponseType, skill)
	if err != nil || request.ResponseType != bridge.ResponseTypeCode {
		return err
	}
	request.CodeChallenge, err = codeChallenge(query, skill)
	return err
}

func checkResponseType(responseType string, skill *bridge.Skill) error {
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
	return oauth.Errorf(oauth.UnauthorizedClient, "The skill may not use the response_type %s.", responseType)
}

var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// codeChallenge returns the code challenge (RFC 7636 §4.3), or "" for none. Only S256 is supported: plain protects
// nothing that the redirect does not show.
func codeChallenge(query url.Values, skill *bridge.Skill) (string, error) {
	challenge, method := query.Get("code_challenge"), query.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && !skill.RequirePKCE:
		return "", nil
	case challenge == "":
		return "", oauth.Errorf(oauth.InvalidRequest, "The parameter code_challenge is missing.")
	case method != "S256":
		return "", oauth.Errorf(oauth.InvalidRequest, "The code_challenge_method must be S256.")
	case !challengePattern.MatchString(challenge):
		return "", oauth.Errorf(oauth.InvalidRequest, "The code_challenge is not a valid S256 challenge.")
	}
	return challenge, nil
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?$`)

// hostOf returns the host of a requested redirect URI, or "" if it has none that a page can show.
func hostOf(redirectURI string) string {
	parsed, err := url.Parse(redirectURI)
	if err != nil || !hostPattern.MatchString(parsed.Host) {
		return ""
	}
	return parsed.Host
}
