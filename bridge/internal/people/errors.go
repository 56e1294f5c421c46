package people

import (
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/templates"
)

// Errors of this package that [mapError] and [Handler.formError] know.
var (
	errStore     = errors.New("the store") // could not tell or write
	errForeign   = errors.New("foreign form")
	errSignedOut = errors.New("nobody is signed in, or not any more")
	errToken     = errors.New("the token of the form is not that of the session")
	errDecision  = errors.New("the form names neither one link nor all")
)

// reasonSignedOut is the reason of a form that came without a session.
const reasonSignedOut = "links_signed_out"

// mapError returns an error with its response and log line. Every page leads back to the page of links.
func mapError(err error) *httperror.Error {
	if !errors.Is(err, errStore) {
		return httperror.Internal(err)
	}
	e := newPage(templates.PageLinksUnavailable, http.StatusServiceUnavailable, err)
	e.Level, e.Header = slog.LevelError, http.Header{"Retry-After": {"5"}}
	return e
}

// formError returns an error of a form, which has changed nothing.
func (h *Handler) formError(err error) *httperror.Error {
	if errors.Is(err, errSignedOut) {
		page := templates.LinksSignIn{Choices: h.choices(false)}
		page.Notice.Event = templates.NoticeExpired
		e := &httperror.Error{Level: slog.LevelInfo, Reason: reasonSignedOut, Err: err, Status: http.StatusForbidden}
		e.Render = func(w http.ResponseWriter) error { return h.Pages.LinksSignIn(w, e.Status, page) }
		return e
	}
	status := http.StatusBadRequest
	if errors.Is(err, errForeign) {
		status = http.StatusForbidden
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		status = e.Status()
	}
	return newPage(templates.PageLinksRejected, status, err)
}

// unknownProvider is the page for a query that names no provider.
func unknownProvider(cause string) *httperror.Error {
	return newPage(templates.PageNotFound, http.StatusNotFound, errors.New(cause))
}

func newPage(page templates.ErrorPage, status int, err error) *httperror.Error {
	return &httperror.Error{Level: slog.LevelWarn, Reason: string(page), Err: err, Status: status,
		Page: templates.ErrorData{Page: page, Retry: templates.RetryLinks}}
}
