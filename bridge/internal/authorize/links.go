package authorize

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// SignIn sends a person who wants to see their links to a provider. It goes the same way as a link, with a purpose of
// its own, asks for no refresh token, stores nothing, and ends in SignedIn of [Deps]. With another, the person may
// choose another account there.
func (h *Handler) SignIn(w http.ResponseWriter, r *http.Request, provider string, another bool) error {
	f := newFlow(bridge.AuthorizationRequest{}, provider, h.Now())
	f.purpose = purposeLinks
	prompt := upstream.PromptDefault
	if another {
		prompt = upstream.PromptAccount
	}
	return linksError(r, f, h.redirectToProvider(w, r, f, prompt))
}

// finishLinks learns who signed in to see their links. The flow ends with that: its cookie is removed.
func (h *Handler) finishLinks(w http.ResponseWriter, r *http.Request, f *flow, response upstream.Response) error {
	person, err := h.person(r, f, response)
	if err != nil {
		return linksError(r, f, err)
	}
	http.SetCookie(w, h.cookies.removal(f))
	h.flowLog(r.Context(), f).Info("signed in for links")
	return h.SignedIn(w, r, *person)
}

// errUnverifiedSubject means that the person is known by an e-mail address that anybody might have entered there.
var errUnverifiedSubject = errors.New("subject_claim: the provider does not say that the e-mail address is verified")

// person exchanges the provider's response for a person.
func (h *Handler) person(r *http.Request, f *flow, response upstream.Response) (*bridge.Identity, error) {
	upstreamProvider, provider := h.Upstreams[f.provider], h.Clients.Provider(f.provider)
	if upstreamProvider == nil {
		return nil, errors.New("the provider was removed from the configuration since the sign-in began")
	}
	wish := upstream.Wish{Wanted: []string{bridge.ClaimEmail, bridge.ClaimName}}
	needsVerified := provider.IdentifiesByEmail() && !h.Clients.AccountPolicy(f.provider).EmailTrusted
	if needsVerified {
		wish.Needed = []string{bridge.ClaimEmailVerified}
	}
	identity, err := h.identify(r, f, upstreamProvider, response, wish)
	if err != nil {
		return nil, err
	}
	person := &bridge.Identity{Provider: provider, Subject: identity.Subject}
	if err := json.Unmarshal(identity.Claims, &person.Claims); err != nil {
		return nil, err
	}
	if needsVerified && !person.Claims.EmailVerified() {
		return nil, errUnverifiedSubject
	}
	return person, nil
}

// linksError returns an error of a sign-in for links with its response and log line. Nobody is sent to Alexa, and
// nothing counts as a link that was refused. Every page leads back to the page of links.
func linksError(r *http.Request, f *flow, err error) error {
	if err == nil {
		return nil
	}
	e := mapLinksError(r, err)
	e.Message, e.Attrs = "not signed in for links", append(e.Attrs, f.attrs()...)
	e.Page.Retry = templates.RetryLinks
	if e.Err == nil {
		e.Err = err
	}
	return e
}

func mapLinksError(r *http.Request, err error) *httperror.Error {
	if e, ok := errors.AsType[*httperror.Error](err); ok { // too many requests
		return e
	}
	if e := hungUp(r, err); e != nil {
		return e
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return mapLinksProviderError(e)
	}
	switch {
	case errors.Is(err, limit.ErrBusy):
		return unavailable(templates.PageProviderBusy)
	case errors.Is(err, errTooManyCodes):
		return notSignedIn(http.StatusBadRequest, string(templates.PageSignInOutdated))
	case errors.Is(err, errUnverifiedSubject):
		return notSignedIn(http.StatusForbidden, string(bridge.ReasonEmailUnverified))
	}
	return httperror.Internal(err)
}

// mapLinksProviderError maps what a provider answered, by whose fault it is.
func mapLinksProviderError(err *upstream.Error) *httperror.Error {
	var e *httperror.Error
	switch err.Kind {
	case upstream.OutOfReach:
		e = unavailable(templates.PageProviderDown)
	case upstream.RateLimited:
		e = unavailable(templates.PageProviderBusy)
	case upstream.EmbeddedBrowser:
		e = newPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelWarn)
	case upstream.Outdated:
		e = notSignedIn(http.StatusBadRequest, string(templates.PageSignInOutdated))
	case upstream.Refused:
		e = notSignedIn(http.StatusForbidden, string(bridge.ReasonProviderRefused))
	default:
		e = newPage(templates.PageLinksSetup, http.StatusInternalServerError, slog.LevelError)
		e.Reason = string(bridge.ReasonProviderSetup)
	}
	return logProviderError(e, err)
}

// notSignedIn is the page for a sign-in that another one can replace.
func notSignedIn(status int, reason string) *httperror.Error {
	e := newPage(templates.PageLinksNotSignedIn, status, slog.LevelWarn)
	e.Reason = reason
	return e
}
