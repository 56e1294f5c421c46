package authorize

import (
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Errors of this package that [Handler.mapError] knows.
var (
	errEmbeddedBrowser = errors.New("the browser is embedded in an app")
	errCookieTooLarge  = errors.New("the request does not fit into a cookie")
	errNotStored       = errors.New("the sign-in could not be stored") // the provider's code is spent
	errNotLinked       = errors.New("the link could not be stored")    // or it is not known whether it was
)

// notAllowedError means that the configuration does not permit the person to link the skill.
type notAllowedError struct{ reason bridge.Reason }

func (e *notAllowedError) Error() string { return "not allowed: " + string(e.reason) }

// httpError returns an error of this package with its response, log line and metric, or nil for nil. f is nil when
// there is no flow, and has only a request when that is invalid.
func (h *Handler) httpError(r *http.Request, f *flow, err error) error {
	if err == nil {
		return nil
	}
	e := h.mapError(r, f, err)
	e.Message, e.Attrs = "request rejected", append(e.Attrs, f.attrs()...)
	if e.Err == nil {
		e.Err = err
	}
	if countsAsNotLinked(e, f) {
		e.Message = "not linked"
		h.notLinked.WithLabelValues(f.clientID(), e.Reason).Inc()
	}
	return e
}

// countsAsNotLinked reports whether an error keeps a person from linking now. Requests that belong to no flow, or to
// one that is decided, do not count.
func countsAsNotLinked(e *httperror.Error, f *flow) bool {
	switch e.Page.Page {
	case templates.PageDecided, templates.PageNoCookie, templates.PageForeignPost, templates.PageEmbeddedBrowser:
		return false
	}
	return f != nil
}

// mapError maps every error that a flow can end with, or be interrupted by. A page that was chosen where the error
// occurred stays.
func (h *Handler) mapError(r *http.Request, f *flow, err error) *httperror.Error {
	if e, ok := errors.AsType[*httperror.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok { // in the request
		return h.redirectError(f, e, e.Code)
	}
	if _, ok := errors.AsType[*upstream.UnavailableError](err); ok {
		e := unavailable(templates.PageProviderDown)
		if f.inCookie {
			return offerRestart(e, f)
		}
		e.Page.Retry = templates.RetryReload
		return e
	}
	if _, ok := errors.AsType[*upstream.EmbeddedBrowserError](err); ok {
		return offerRestart(newPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelWarn), f)
	}
	if _, ok := errors.AsType[*bridge.DecidedError](err); ok {
		return newPage(templates.PageDecided, http.StatusBadRequest, slog.LevelInfo)
	}
	if code, reason := refusal(err); reason != "" {
		return h.endFlow(r, f, code, reason)
	}
	switch {
	case errors.Is(err, errEmbeddedBrowser):
		return offerRestart(newPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelInfo), f)
	case errors.Is(err, bridge.ErrNotFound): // decided before the sign-in, or too late
		return newPage(templates.PageNoCookie, http.StatusBadRequest, slog.LevelWarn)
	case errors.Is(err, errNotStored):
		return offerRestart(unavailable(templates.PageStoreUnavailable), f)
	}
	e := unavailable(templates.PageStoreUnavailable)
	// A form cannot be loaded again, nor can a callback that may have made a link.
	if r.Method == http.MethodGet && !errors.Is(err, errNotLinked) {
		e.Page.Retry = templates.RetryReload
	}
	return e
}

// refusal returns the error code and the reason of an error that ends a flow for good, or "".
func refusal(err error) (code string, reason bridge.Reason) {
	if notAllowed, ok := errors.AsType[*notAllowedError](err); ok {
		return oauth.AccessDenied, notAllowed.reason
	}
	if _, ok := errors.AsType[*upstream.RefusedError](err); ok {
		return oauth.AccessDenied, bridge.ReasonProviderRefused
	}
	switch {
	case errors.Is(err, upstream.ErrGroupsOverage):
		return oauth.AccessDenied, bridge.ReasonGroupsOverage
	case errors.Is(err, errCookieTooLarge):
		return oauth.InvalidRequest, bridge.ReasonRequestTooLarge
	}
	return "", ""
}

func newPage(page templates.ErrorPage, status int, level slog.Level) *httperror.Error {
	return &httperror.Error{Reason: string(page), Level: level, Status: status, Page: templates.ErrorData{Page: page}}
}

// rejectedPage is the page for an invalid request. The cause is for the log.
func rejectedPage(page templates.ErrorPage, status int, cause string) *httperror.Error {
	e := newPage(page, status, slog.LevelWarn)
	e.Err = errors.New(cause)
	return e
}

func unavailable(page templates.ErrorPage) *httperror.Error {
	e := newPage(page, http.StatusServiceUnavailable, slog.LevelError)
	e.Header = http.Header{"Retry-After": {"5"}}
	return e
}

// offerRestart lets the person start the sign-in again, with the flow in the cookie.
func offerRestart(e *httperror.Error, f *flow) *httperror.Error {
	e.Page.Retry, e.Page.Flow, e.Page.Token = templates.RetryRestart, f.id(), f.formToken()
	return e
}

// redirectError sends an error back to Alexa.
func (h *Handler) redirectError(f *flow, err *oauth.Error, reason string) *httperror.Error {
	location := errorResponse(&f.request, h.PublicURL, err)
	return &httperror.Error{Reason: reason, Level: slog.LevelWarn, Location: location}
}

// endFlow sends an error back to Alexa and removes the flow. The reason is not disclosed.
func (h *Handler) endFlow(r *http.Request, f *flow, code string, reason bridge.Reason) *httperror.Error {
	rejected := oauth.Errorf(code, "The account was not linked. Reference %s.", reference.FromContext(r.Context()))
	e := h.redirectError(f, rejected, string(reason))
	e.Header = http.Header{"Set-Cookie": {h.cookies.removal(f).String()}}
	return e
}
