package authorize

import (
	"crypto/subtle"
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Callback serves GET /callback/{provider}, where the provider sends the browser back.
func (h *Handler) Callback(w http.ResponseWriter, r *http.Request) error {
	f, response, err := h.callbackFlow(r)
	if err != nil {
		h.noCookie.Inc()
		return h.httpError(r, nil, err)
	}
	switch f.purpose {
	case purposeTest:
		return h.finishTest(w, r, f, response)
	case purposeLinks:
		return h.finishLinks(w, r, f, response)
	}
	return h.httpError(r, f, h.finishSignIn(w, r, f, response))
}

// finishSignIn learns who signed in, and shows the consent page or makes the link.
func (h *Handler) finishSignIn(w http.ResponseWriter, r *http.Request, f *flow, response upstream.Response) error {
	skill, provider, err := h.configured(f)
	if err != nil {
		return err
	}
	if f.outcome != "" {
		return &outcomeError{f.outcome}
	}
	h.returned.WithLabelValues(skill.ClientID, f.provider).Inc()
	result, err := h.signIn(r, f, skill, provider, response)
	if err != nil {
		return err
	}
	f.person = result.Identity
	// Without a new authentication, nobody need have done anything but open an attacker's link: then the person is asked.
	if !skill.Consent && result.Fresh {
		return h.link(w, r, f, skill)
	}
	if f.signedIn.IsZero() {
		f.signedIn = h.Now()
		if err := h.cookies.put(w, r, f); err != nil {
			return err
		}
	}
	h.logPage(r, f, h.Pages.Consent(w, consentPage(f, skill, result)))
	return nil
}

// callbackFlow returns the flow that a callback belongs to, by the cookie of this browser, and the provider's
// response. There is none for a state that is absent, repeated or another browser's, for the callback of another
// provider (RFC 9700 §4.4.2), and after the flow has expired.
func (h *Handler) callbackFlow(r *http.Request) (*flow, upstream.Response, error) {
	noFlow := rejectedPage(templates.PageNoCookie, http.StatusBadRequest, "callback without the cookie of its flow")
	noFlow.Attrs = []any{"provider", upstream.LogText(r.PathValue("provider"))}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || oauth.CheckRepeated(query, "state", "code", "iss", "error") != nil {
		return nil, upstream.Response{}, noFlow
	}
	state := query.Get("state")
	f, found := h.cookies.find(r, state[:min(len(state), flowIDLength)], h.Now())
	if !found || f.provider != r.PathValue("provider") ||
		subtle.ConstantTimeCompare([]byte(state), []byte(f.login().State)) != 1 {
		return nil, upstream.Response{}, noFlow
	}
	return f, upstream.Response{
		Code:             query.Get("code"),
		ISS:              query.Get("iss"),
		Error:            query.Get("error"),
		ErrorDescription: query.Get("error_description"),
	}, nil
}
