package authorize

import (
	"net/http"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Authorize serves GET /authorize (RFC 6749 §3.1). Each call starts a new flow. Nothing is stored but the browser's
// cookie.
func (h *Handler) Authorize(w http.ResponseWriter, r *http.Request) error {
	request, err := h.parseRequest(r.Context(), r.URL.RawQuery)
	if err != nil {
		return h.httpError(r, &flow{request: request}, err)
	}
	f := newFlow(request, h.Clients.Skill(request.ClientID).Provider, h.Now())
	return h.httpError(r, f, h.start(w, r, f))
}

func (h *Handler) start(w http.ResponseWriter, r *http.Request, f *flow) error {
	if h.Upstreams[f.provider].RefusesEmbeddedBrowsers() && looksEmbedded(r.UserAgent()) {
		if err := h.cookies.put(w, r, f); err != nil { // so that the page can offer to go on
			return err
		}
		return errEmbeddedBrowser
	}
	return h.redirectToProvider(w, r, f, upstream.PromptDefault)
}

// redirectToProvider sends the browser to the provider, with the flow in its cookie.
func (h *Handler) redirectToProvider(w http.ResponseWriter, r *http.Request, f *flow, prompt upstream.Prompt) error {
	if skill := h.Clients.Skill(f.request.ClientID); f.purpose != purposeLinks && !skill.Consent {
		prompt = upstream.PromptLogin
	}
	location, err := h.Upstreams[f.provider].AuthorizationURL(r.Context(), f.login(), prompt)
	if err != nil {
		return err
	}
	if err := h.cookies.put(w, r, f); err != nil {
		return err
	}
	switch f.purpose {
	case purposeTest:
		h.flowLog(r.Context(), f).Info("test sign-in started")
	case purposeLinks:
		h.logSampled(r.Context(), f, "sign-in for links started")
	default:
		h.started.WithLabelValues(f.request.ClientID, f.provider).Inc()
		h.logSampled(r.Context(), f, "sign-in started")
	}
	// With a fragment, though an empty one: else browsers would keep that of the URL by which a stranger sent the person
	// here, and scroll the consent page to it, past its warning.
	httperror.Redirect(w, location+"#")
	return nil
}

// configured returns the skill and the provider of a flow, if the configuration still permits what it permitted when
// the flow started.
func (h *Handler) configured(f *flow) (*bridge.Skill, *upstream.Provider, error) {
	skill, provider := h.Clients.Skill(f.request.ClientID), h.Upstreams[f.provider]
	if skill == nil || provider == nil || skill.Provider != f.provider || !skill.HasGrant(f.grant()) ||
		!hasRedirectURI(skill, f.request.RedirectURI) {
		return nil, nil, rejectedPage(templates.PageUnknownSkill, http.StatusBadRequest,
			"the configuration has changed since the flow started")
	}
	return skill, provider, nil
}

// looksEmbedded recognizes browsers that are embedded in apps: Android's names itself wv, Apple's does not say
// Safari.
func looksEmbedded(userAgent string) bool {
	if strings.Contains(userAgent, "Android") {
		return strings.Contains(userAgent, "; wv)")
	}
	apple := strings.Contains(userAgent, "iPhone") || strings.Contains(userAgent, "iPad")
	return apple && strings.Contains(userAgent, "AppleWebKit") && !strings.Contains(userAgent, "Safari/")
}
