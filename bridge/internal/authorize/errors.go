package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Errors of this package that [Handler.mapError] knows.
var (
	errEmbeddedBrowser = errors.New("the browser is embedded in an app")
	errCookieTooLarge  = errors.New("the request does not fit into a cookie")
	errStore           = errors.New("the store")                       // could not tell or write
	errNotStored       = errors.New("the sign-in could not be stored") // the provider's code is spent
	errTooManyCodes    = errors.New("the flow has sent as many codes as it may")
	errNotLinked       = errors.New("the link could not be stored") // or it is not known whether it was
)

// notAllowedError means that the configuration does not permit the person to link the skill.
type notAllowedError struct {
	rule   bridge.Rule
	person *signInResult // nil: not shown
}

func (e *notAllowedError) Error() string {
	return strings.Trim(e.rule.Name+": "+e.rule.Detail, ": ")
}

// outcomeError means that a flow was used after its outcome.
type outcomeError struct{ outcome outcome }

func (e *outcomeError) Error() string { return "the flow has ended: " + string(e.outcome) }

// Reasons of requests that do not count as a link that was refused.
const (
	reasonEnded  = "ended"   // a page of a flow's outcome was loaded again
	reasonHungUp = "hung_up" // the browser went away before anything was sent to the provider
)

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
		e.Attrs = append(e.Attrs, "event", bridge.AuditRefused, "actor", bridge.ActorPerson)
		h.notLinked.WithLabelValues(f.clientID(), e.Reason).Inc()
		if e.Page.Page != templates.PageStoreUnavailable { // else it could not be recorded either
			h.recordRefusal(r, f, refusedPerson(f, err), bridge.Reason(e.Reason))
		}
	}
	return e
}

// countsAsNotLinked reports whether an error keeps a person from linking now. Requests that belong to no flow, or to
// one that is decided, do not count.
func countsAsNotLinked(e *httperror.Error, f *flow) bool {
	if e.Reason == reasonEnded || e.Reason == reasonHungUp {
		return false
	}
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
	if e := hungUp(r, err); e != nil {
		return e
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok { // in the request
		return h.redirectError(f, e, e.Code)
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return h.mapProviderError(r, f, e)
	}
	if e, ok := errors.AsType[*notAllowedError](err); ok {
		return h.notAllowedPage(r, f, e)
	}
	if e, ok := errors.AsType[*outcomeError](err); ok {
		return h.outcomePage(r, f, e)
	}
	if _, ok := errors.AsType[*bridge.DecidedError](err); ok {
		return newPage(templates.PageDecided, http.StatusBadRequest, slog.LevelInfo)
	}
	switch {
	case errors.Is(err, limit.ErrBusy):
		return offerReload(unavailable(templates.PageProviderBusy), r)
	case errors.Is(err, errTooManyCodes):
		return offerRestart(newPage(templates.PageSignInOutdated, http.StatusBadRequest, slog.LevelWarn), f)
	case errors.Is(err, errEmbeddedBrowser):
		return offerRestart(newPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelInfo), f)
	case errors.Is(err, errCookieTooLarge):
		return h.endFlow(r, f, oauth.InvalidRequest, bridge.ReasonRequestTooLarge)
	case errors.Is(err, bridge.ErrNotFound): // decided before the sign-in, or too late
		return newPage(templates.PageNoCookie, http.StatusBadRequest, slog.LevelWarn)
	case errors.Is(err, errNotStored):
		return offerRestart(unavailable(templates.PageStoreUnavailable), f)
	case errors.Is(err, bridge.ErrSignInRevoked): // a new sign-in is another one
		e := offerRestart(newPage(templates.PageSignInOutdated, http.StatusForbidden, slog.LevelWarn), f)
		e.Reason = string(bridge.ReasonSignInRevoked)
		return e
	case errors.Is(err, errNotLinked): // not to be loaded again: it may have made a link
		return unavailable(templates.PageStoreUnavailable)
	case errors.Is(err, errStore):
		return offerReload(unavailable(templates.PageStoreUnavailable), r)
	}
	return httperror.Internal(err)
}

// mapProviderError maps what a provider answered, by whose fault it is.
func (h *Handler) mapProviderError(r *http.Request, f *flow, err *upstream.Error) *httperror.Error {
	var e *httperror.Error
	switch err.Kind {
	case upstream.OutOfReach:
		e = offerAgain(unavailable(templates.PageProviderDown), r, f)
	case upstream.RateLimited:
		e = offerAgain(unavailable(templates.PageProviderBusy), r, f)
	case upstream.EmbeddedBrowser:
		e = offerRestart(newPage(templates.PageEmbeddedBrowser, http.StatusForbidden, slog.LevelWarn), f)
	case upstream.Outdated:
		e = offerRestart(newPage(templates.PageSignInOutdated, http.StatusBadRequest, slog.LevelWarn), f)
	case upstream.Refused:
		e = h.endFlow(r, f, oauth.AccessDenied, bridge.ReasonProviderRefused)
	default:
		e = h.setupFaultPage(r, f, err)
	}
	return logProviderError(e, err)
}

// logProviderError adds to e what the log says of a provider's error.
func logProviderError(e *httperror.Error, err *upstream.Error) *httperror.Error {
	if err.Stage == upstream.StageResponse {
		e.Level = min(e.Level, slog.LevelWarn) // only the browser brought it
	}
	e.Attrs = append(e.Attrs, "stage", err.Stage)
	if err.Hint != "" {
		e.Attrs = append(e.Attrs, "hint", err.Hint)
	}
	return e
}

// hungUp returns the error for a browser that has gone, so that nobody reads the page, or nil.
func hungUp(r *http.Request, err error) *httperror.Error {
	if !errors.Is(err, context.Canceled) || r.Context().Err() == nil {
		return nil
	}
	e := unavailable(templates.PageProviderBusy)
	e.Level, e.Reason = slog.LevelDebug, reasonHungUp
	return e
}

// setupFaultPage is the page for a sign-in that fails until the operator corrects something.
func (h *Handler) setupFaultPage(r *http.Request, f *flow, err error) *httperror.Error {
	e := &httperror.Error{
		Status: http.StatusInternalServerError,
		Level:  slog.LevelError,
		Reason: string(bridge.ReasonProviderSetup),
	}
	if errors.Is(err, upstream.ErrGroupsOverage) {
		e.Reason = string(bridge.ReasonGroupsOverage)
	}
	page := templates.SetupFaultPage{
		Skill:     h.Clients.Skill(f.request.ClientID).Name,
		Reference: string(reference.FromContext(r.Context())),
	}
	if e.Header = h.cookies.end(r, f, outcomeSetupFault); e.Header != nil {
		page.Flow, page.Token = f.id(), f.formToken()
	}
	e.Render = func(w http.ResponseWriter) error { return h.Pages.SetupFault(w, page) }
	return e
}

// notAllowedPage is the page for an account that may not link the skill. Only there the person decides to go back to
// Alexa, or to sign in with another account.
func (h *Handler) notAllowedPage(r *http.Request, f *flow, err *notAllowedError) *httperror.Error {
	page := templates.RefusedPage{
		Skill:     h.Clients.Skill(f.request.ClientID).Name,
		Reference: string(reference.FromContext(r.Context())),
	}
	if err.person != nil {
		page.Account = true
		page.Name, page.Email = err.person.Name, err.person.Email
		page.Subject = templates.Displayable(err.person.Identity.Subject)
	}
	e := &httperror.Error{
		Status: http.StatusForbidden,
		Level:  slog.LevelWarn,
		Reason: string(err.rule.Reason),
		Header: h.cookies.end(r, f, outcomeNotAllowed),
	}
	if e.Header != nil {
		page.Flow, page.Token = f.id(), f.formToken()
	}
	e.Render = func(w http.ResponseWriter) error { return h.Pages.Refused(w, page) }
	return e
}

// outcomePage shows the page of a flow's outcome again, without the name of the account.
func (h *Handler) outcomePage(r *http.Request, f *flow, err *outcomeError) *httperror.Error {
	var e *httperror.Error
	if err.outcome == outcomeNotAllowed {
		e = h.notAllowedPage(r, f, &notAllowedError{})
	} else {
		e = h.setupFaultPage(r, f, err)
	}
	e.Level, e.Reason = slog.LevelInfo, reasonEnded
	return e
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

// offerAgain lets the person start the sign-in again if the provider may have the code, or load the page again.
func offerAgain(e *httperror.Error, r *http.Request, f *flow) *httperror.Error {
	if f.inCookie {
		return offerRestart(e, f)
	}
	return offerReload(e, r)
}

// offerReload lets the person load the page again, unless a form was sent.
func offerReload(e *httperror.Error, r *http.Request) *httperror.Error {
	if r.Method == http.MethodGet {
		e.Page.Retry = templates.RetryReload
	}
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
