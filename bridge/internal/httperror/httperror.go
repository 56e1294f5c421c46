// Package httperror turns the error of a handler into its response. A handler returns an error instead of writing a
// response; [Responder.Respond] is the only place that maps it to a page, a redirect or JSON, and to a log line.
package httperror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/templates"
)

// HandlerFunc is an HTTP handler that returns an error when it has not written a response. Errors that are not
// [*Error] or [*oauth.Error] are internal errors.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Audience is who reads the responses of a route.
type Audience int

// Audiences.
const (
	People   Audience = iota // errors are pages
	Programs                 // errors are JSON
)

// Error is an error with everything that its response and its log line need.
type Error struct {
	// What the log says.
	Message string     // empty: nothing is logged
	Level   slog.Level // of the log line
	Reason  string     // in one word, also the value of a metric's label; empty: none
	Err     error      // the cause; may be nil
	Attrs   []any      // further attributes of the log line

	// What a program reads.
	OAuth *oauth.Error

	// What a person sees.
	Page     templates.ErrorData
	Status   int    // of the page
	Location string // where the browser goes instead of a page; empty: nowhere

	Header http.Header // added to the response; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Internal returns the error for what must not happen. The log has the cause, everybody else learns nothing.
func Internal(err error) *Error {
	return &Error{
		Message: "internal error", Level: slog.LevelError, Reason: string(templates.PageInternal), Err: err,

		OAuth:  oauth.Errorf(oauth.ServerError, "The server failed. This says nothing about the token."),
		Page:   templates.ErrorData{Page: templates.PageInternal},
		Status: http.StatusInternalServerError,
	}
}

// Responder writes responses for errors.
type Responder struct {
	Pages *templates.Pages
	Log   *slog.Logger
}

// Respond logs an error and writes its response.
func (re *Responder) Respond(w http.ResponseWriter, r *http.Request, audience Audience, err error) {
	e := asError(err)
	re.log(r.Context(), e)
	for name, values := range e.Header {
		for _, value := range values {
			w.Header().Add(name, value)
		}
	}
	switch {
	case audience == Programs:
		respondJSON(w, e.OAuth)
	case e.Location != "":
		Redirect(w, e.Location)
	default:
		e.Page.Reference = string(reference.FromContext(r.Context()))
		if err := re.Pages.Error(w, e.Status, e.Page); err != nil {
			re.Log.Warn("page not written", "ref", e.Page.Reference, "error", err)
		}
	}
}

// asError returns err as an Error that has a response for both audiences.
func asError(err error) *Error {
	internal := Internal(err)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		oauthError, isOAuth := errors.AsType[*oauth.Error](err)
		if !isOAuth {
			return internal
		}
		e = &Error{OAuth: oauthError}
	}
	complete := *e
	if complete.OAuth == nil {
		complete.OAuth = internal.OAuth
	}
	if complete.Status == 0 {
		complete.Status, complete.Page = internal.Status, internal.Page
	}
	return &complete
}

func (re *Responder) log(ctx context.Context, e *Error) {
	if e.Message == "" {
		return
	}
	attrs := []any{"ref", reference.FromContext(ctx)}
	if e.Reason != "" {
		attrs = append(attrs, "reason", e.Reason)
	}
	if e.Err != nil {
		attrs = append(attrs, "error", e.Err)
	}
	re.Log.Log(ctx, e.Level, e.Message, append(attrs, e.Attrs...)...)
}

// respondJSON writes an OAuth error (RFC 6749 §5.2).
func respondJSON(w http.ResponseWriter, e *oauth.Error) {
	if e.Status() == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	oauth.WriteError(w, e)
}

// Redirect sends the browser on by 303, so that a form that was posted to us is not posted again (RFC 9700 §4.12).
// Unlike [http.Redirect] it writes no body, which would repeat the location.
func Redirect(w http.ResponseWriter, location string) {
	header := w.Header()
	header.Set("Location", location)
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}
