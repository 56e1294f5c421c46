package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/operator"
)

// Codes of errors beside those of package oauth.
const (
	insufficientScope = "insufficient_scope" // RFC 6750 §3.1
	notFound          = "not_found"
	ambiguousSubject  = "ambiguous_subject"
	unexpectedCount   = "unexpected_count"
)

// reject returns the error for a request that its sender must change. The text never repeats what the request said.
func reject(status int, code, format string, args ...any) *httperror.Error {
	text := fmt.Sprintf(format, args...)
	return &httperror.Error{
		Message: "admin API request rejected", Level: slog.LevelInfo, Reason: code, Err: errors.New(text),
		OAuth: &oauth.Error{Code: code, HTTPStatus: status, Description: text},
	}
}

// badRequest returns the error for a request that says something wrong.
func badRequest(format string, args ...any) *httperror.Error {
	return reject(http.StatusBadRequest, oauth.InvalidRequest, format, args...)
}

// unauthorized returns the error for a request without a token of the configuration (RFC 6750 §3).
func unauthorized(hasToken bool) *httperror.Error {
	cause, challenge := errors.New("no bearer token was sent"), `Bearer realm="admin"`
	if hasToken {
		cause, challenge = errors.New("no admin token has this secret"), `Bearer realm="admin", error="invalid_token"`
	}
	e := reject(http.StatusUnauthorized, oauth.InvalidToken,
		"Send the secret of one of admin_tokens as Bearer in the Authorization header.")
	e.Level, e.Err, e.Header = slog.LevelWarn, cause, http.Header{"Www-Authenticate": {challenge}}
	return e
}

// forbidden returns the error for a token without a right.
func forbidden(right bridge.AdminRight) *httperror.Error {
	e := reject(http.StatusForbidden, insufficientScope, "This token may not %s: add %s to its may in admin_tokens.",
		right, right)
	e.Level = slog.LevelWarn
	e.Header = http.Header{"Www-Authenticate": {
		fmt.Sprintf(`Bearer realm="admin", error="insufficient_scope", scope="%s"`, right)}}
	return e
}

// errPage is the error for a request of a web page.
func errPage() *httperror.Error {
	e := reject(http.StatusForbidden, oauth.AccessDenied,
		"Requests of web pages are rejected: those with an Origin, or with a Sec-Fetch-Site other than none.")
	e.Level = slog.LevelWarn
	return e
}

func errCursor() *httperror.Error {
	return badRequest("cursor must be a next_cursor of this list, as it is.")
}

func errNoEndpoint() *httperror.Error {
	return reject(http.StatusNotFound, notFound, "There is no such endpoint: see /api/openapi.json.")
}

func errNoLink() *httperror.Error {
	return reject(http.StatusNotFound, notFound, "There is no link with this id.")
}

// mapError maps every error of a request that authenticated to its response.
func (q *request) mapError(err error) error {
	e, isMapped := errors.AsType[*httperror.Error](err)
	several, isSubject := errors.AsType[*operator.SubjectError](err)
	switch {
	case isMapped:
	case isSubject:
		e = reject(http.StatusConflict, ambiguousSubject,
			"Links of several providers have this subject, perhaps of several people. Nothing was revoked: name the provider.")
		e.Err = several
	default:
		e = unavailable(err, "Nothing is known to have changed; send the request again.")
	}
	e.Attrs = append(e.Attrs, "actor", q.actor)
	return e
}

// unavailable returns the error for a store that fails. The text says what to do.
func unavailable(err error, text string) *httperror.Error {
	e := reject(http.StatusServiceUnavailable, oauth.TemporarilyUnavailable, "The store is unavailable. %s", text)
	e.Message, e.Level, e.Err = "admin API request failed", slog.LevelError, err
	if errors.Is(err, context.Canceled) { // the client has closed the connection
		e.Level = slog.LevelInfo
	}
	return e
}
