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

// pageError is an error that is shown on a page because there is no flow that a redirect could end.
type pageError struct {
	page     templates.ErrorPage
	status   int
	host     string // of the requested redirect URI, for the page; empty: not shown
	provider string // for the log; empty: none
	cause    error
}

func newPageError(page templates.ErrorPage, status int, cause string) *pageError {
	return &pageError{page: page, status: status, cause: errors.New(cause)}
}

func (e *pageError) Error() string { return e.cause.Error() }

// errEmbeddedBrowser means that the browser looks like one that the provider is known to reject.
var errEmbeddedBrowser = errors.New("the browser is embedded in an app")

// errNotLinked means that a link could not be stored, or that it is not known whether it was.
var errNotLinked = errors.New("the link could not be stored")

// errCookieTooLarge means that a flow does not fit into a cookie.
var errCookieTooLarge = errors.New("the request does not fit into a cookie")

// notAllowedError means that the configuration does not permit the person to link the skill.
type notAllowedError struct{ reason bridge.Reason }

func (e *notAllowedError) Error() string { return "not allowed: " + string(e.reason) }

// notStoredError means that a sign-in succeeded but that its result could not be stored. The provider's code is
// spent.
type notStoredError struct{ cause error }

func (e *notStoredError) Error() string { return "the sign-in could not be stored: " + e.cause.Error() }
func (e *notStoredError) Unwrap() error { return e.cause }

// httpError returns an error of this package with its response, log line and metric, or nil for nil. f is nil when
// there is no flow, and has only a request when that is invalid.
func (h *Handler) httpError(r *http.Request, f *flow, err error) error {
	if err == nil {
		return nil
	}
	e := h.mapError(r, f, err)
	e.Message, e.Err, e.Attrs = "request rejected", err, append(e.Attrs, f.attrs()...)
	if endsFlow(e, f) {
		e.Message = "not linked"
		h.metrics.refused.WithLabelValues(f.clientID(), e.Reason).Inc()
	}
	return e
}

// endsFlow reports whether an error keeps a person from linking. A request without a flow keeps nobody from it, nor
// does one of a flow that is decided.
func endsFlow(e *httperror.Error, f *flow) bool {
	switch e.Page.Page {
	case templates.PageDecided, templates.PageNoCookie, templates.PageForeignPost, templates.PageEmbeddedBrowser:
		return false
	}
	return f != nil
}

// mapError maps every error that a flow can end with, or be interrupted by.
func (h *Handler) mapError(r *http.Request, f *flow, err error) *httperror.Error {
	if e, ok := errors.AsType[*pageError](err); ok {
		return e.httpError()
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok { // in the request
		return h.redirectError(f, e, e.Code)
	}
	if _, ok := errors.AsType[*upstream.UnavailableError](err); ok {
		retry := templates.RetryReload
		if f.inCookie {
			retry = templates.RetryRestart
		}
		return unavailable(templates.PageProviderDown, f, retry)
	}
	if _, ok := errors.AsType[*upstream.EmbeddedBrowserError](err); ok {
		return showPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelWarn, f, templates.RetryRestart)
	}
	if errors.Is(err, errEmbeddedBrowser) {
		return showPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelInfo, f, templates.RetryRestart)
	}
	if _, ok := errors.AsType[*bridge.DecidedError](err); ok {
		return showPage(templates.PageDecided, http.StatusBadRequest, slog.LevelInfo, f, templates.RetryNone)
	}
	if errors.Is(err, bridge.ErrNotFound) { // decided before the sign-in, or too late
		return showPage(templates.PageNoCookie, http.StatusBadRequest, slog.LevelWarn, f, templates.RetryNone)
	}
	if code, reason := refusal(err); reason != "" {
		return h.endFlow(r, f, code, reason)
	}
	return unavailable(templates.PageStoreUnavailable, f, storeRetry(r, err))
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

// storeRetry returns how a person can try again when the store is unavailable. The code of a sign-in that could not be
// stored is spent. A form cannot be loaded again, nor can a callback that may have made a link.
func storeRetry(r *http.Request, err error) templates.Retry {
	if _, ok := errors.AsType[*notStoredError](err); ok {
		return templates.RetryRestart
	}
	if r.Method == http.MethodGet && !errors.Is(err, errNotLinked) {
		return templates.RetryReload
	}
	return templates.RetryNone
}

func (e *pageError) httpError() *httperror.Error {
	shown := showPage(e.page, e.status, slog.LevelWarn, nil, templates.RetryNone)
	shown.Page.Host = e.host
	if e.provider != "" {
		shown.Attrs = []any{"provider", upstream.LogText(e.provider)}
	}
	return shown
}

func showPage(page templates.ErrorPage, status int, level slog.Level, f *flow, retry templates.Retry) *httperror.Error {
	e := &httperror.Error{Reason: string(page), Level: level, Status: status}
	e.Page = templates.ErrorData{Page: page, Retry: retry}
	if retry == templates.RetryRestart {
		e.Page.Flow, e.Page.Token = f.id(), f.formToken()
	}
	return e
}

func unavailable(page templates.ErrorPage, f *flow, retry templates.Retry) *httperror.Error {
	e := showPage(page, http.StatusServiceUnavailable, slog.LevelError, f, retry)
	e.Header = http.Header{"Retry-After": {"5"}}
	return e
}

// redirectError sends an error back to Alexa.
func (h *Handler) redirectError(f *flow, err *oauth.Error, reason string) *httperror.Error {
	location := errorResponse(&f.request, h.config.PublicURL, err)
	return &httperror.Error{Reason: reason, Level: slog.LevelWarn, Location: location}
}

// endFlow sends an error back to Alexa and removes the flow. The reason is not told to anybody.
func (h *Handler) endFlow(r *http.Request, f *flow, code string, reason bridge.Reason) *httperror.Error {
	description := oauth.Errorf(code, "The account was not linked. Reference %s.", reference.FromContext(r.Context()))
	e := h.redirectError(f, description, string(reason))
	e.Header = http.Header{"Set-Cookie": {h.cookies.expired(f).String()}}
	return e
}
