// Package httperror turns the error of a handler into its response. A handler returns an error instead of writing a
// response; [Responder.Respond] is the only place that maps it to a page, a redirect or JSON, and to a log line.
package httperror

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"alexa-oidc-bridge/bridge/internal/clientaddr"
	"alexa-oidc-bridge/bridge/internal/limit"
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
	People      Audience = iota // errors are pages
	Programs                    // errors are JSON
	Directories                 // errors are JSON of SCIM
	Operators                   // errors are JSON, and so are requests
)

// Error is an error with everything that its response and its log line need.
type Error struct {
	// What the log says.
	Message string     // empty: "request rejected"
	Level   slog.Level // of the log line
	Reason  string     // in one word, also the value of a metric's label; empty: none
	Err     error      // the cause; may be nil
	Attrs   []any      // further attributes of the log line

	// What a program reads.
	OAuth    *oauth.Error
	SCIMType string // what is wrong in one word, for a directory (RFC 7644 §3.12); empty: the status says it

	// What a person sees.
	Page     templates.ErrorData
	Status   int                               // of the page
	Location string                            // where the browser goes instead of a page; empty: nowhere
	Render   func(w http.ResponseWriter) error // writes another page instead of Page; nil: none

	Header     http.Header // added to the response; may be nil
	Written    bool        // a response was written before the error occurred, so that there is none for it
	Unverified bool        // it was not found out who sent the request, so that anybody can cause the error
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

// TooMany returns the error for a client that must wait before it sends another request (RFC 6585 §4).
func TooMany(wait time.Duration, cause error) *Error {
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	return &Error{
		Level: slog.LevelWarn, Reason: string(templates.PageTooMany), Err: cause,
		OAuth: &oauth.Error{Code: oauth.TemporarilyUnavailable, HTTPStatus: http.StatusTooManyRequests,
			Description: "Too many requests came from this address. This says nothing about the token."},
		Page:   templates.ErrorData{Page: templates.PageTooMany},
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {seconds}},
	}
}

// Responder writes responses for errors.
type Responder struct {
	Pages          *templates.Pages
	Log            *slog.Logger
	Sampler        *Sampler
	TrustedProxies []netip.Prefix // see [clientaddr.Of]
	Rejections     *limit.Pace    // of errors that are Unverified or have a status from 400 to 499; nil: at once
}

// Respond logs an error and writes its response. The log line and the response have the same reference.
func (re *Responder) Respond(w http.ResponseWriter, r *http.Request, route string, audience Audience, err error) {
	if reference.FromContext(r.Context()) == "" {
		r = r.WithContext(reference.NewContext(r.Context(), reference.New()))
	}
	e := asError(err)
	if e.Unverified || e.status(audience)/100 == 4 {
		re.Rejections.Wait(r.Context())
	}
	re.log(r, route, e.status(audience), e)
	if e.Written {
		return
	}
	for name, values := range e.Header {
		for _, value := range values {
			w.Header().Add(name, value)
		}
	}
	ref := reference.FromContext(r.Context())
	switch {
	case audience == Programs, audience == Operators:
		respondJSON(w, e.OAuth, ref)
	case audience == Directories:
		respondSCIM(w, e, ref)
	case e.Location != "":
		Redirect(w, e.Location)
	default:
		re.Sampler.LogPage(r.Context(), re.Log.With("ref", ref), re.page(w, e, ref))
	}
}

// status returns the status of the response.
func (e *Error) status(audience Audience) int {
	switch {
	case audience != People:
		return e.OAuth.Status()
	case e.Location != "":
		return http.StatusSeeOther
	}
	return e.Status
}

func (re *Responder) page(w http.ResponseWriter, e *Error, ref reference.Reference) error {
	if e.Render != nil {
		return e.Render(w)
	}
	e.Page.Reference = string(ref)
	return re.Pages.Error(w, e.Status, e.Page)
}

// asError returns err as an Error that has a response for every audience.
func asError(err error) *Error {
	internal := Internal(err)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		oauthError, isOAuth := errors.AsType[*oauth.Error](err)
		if !isOAuth {
			return internal
		}
		e = &Error{OAuth: oauthError, Reason: oauthError.Code, Err: oauthError}
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

// log writes the one line of a rejected request. Of a flood it writes some, with the count of those left out.
func (re *Responder) log(r *http.Request, route string, status int, e *Error) {
	message := cmp.Or(e.Message, "request rejected")
	attrs := []any{"ref", reference.FromContext(r.Context()), "route", route, "status", status,
		"address", clientaddr.Of(r, re.TrustedProxies)}
	if e.Reason != "" {
		attrs = append(attrs, "reason", e.Reason)
	}
	if e.Err != nil {
		attrs = append(attrs, "error", e.Err)
	}
	attrs = append(attrs, e.Attrs...)
	if e.Reason == string(templates.PageInternal) { // each must be seen: no two need have the same cause
		re.Log.Log(r.Context(), e.Level, message, attrs...)
		return
	}
	re.Sampler.Log(r.Context(), re.Log, e.Level, message+" "+e.Reason+" "+route, message, attrs...)
}

// respondJSON writes an OAuth error (RFC 6749 §5.2).
func respondJSON(w http.ResponseWriter, e *oauth.Error, ref reference.Reference) {
	setRetryAfter(w, e.Status())
	oauth.WriteError(w, e, string(ref))
}

// setRetryAfter says when to send a request again that failed by an outage.
func setRetryAfter(w http.ResponseWriter, status int) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
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
