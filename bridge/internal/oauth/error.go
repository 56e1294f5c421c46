// Package oauth is the vocabulary of OAuth 2.0 over HTTP: forms, client credentials, error codes and JSON responses
// (RFC 6749, RFC 6750, RFC 7009, RFC 7662).
package oauth

import (
	"fmt"
	"net/http"
)

// Error codes of RFC 6749 §4.1.2.1 and §5.2, and of RFC 6750 §3.1.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	InvalidScope            = "invalid_scope"
	InvalidToken            = "invalid_token"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnauthorizedClient      = "unauthorized_client"
	AccessDenied            = "access_denied"
	UnsupportedResponseType = "unsupported_response_type"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
)

// Error is an OAuth error as the client reads it: a code and a sentence for its developer. The sentence is ASCII
// without quotes and backslashes (RFC 6749 §4.1.2.1), and never repeats what a request said.
type Error struct {
	Code        string
	Description string
	HTTPStatus  int // 0: the status that belongs to the code
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Errorf returns an [Error] with a formatted description.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// Status returns the HTTP status of the response (RFC 6749 §5.2, RFC 6750 §3.1).
func (e *Error) Status() int {
	if e.HTTPStatus != 0 {
		return e.HTTPStatus
	}
	switch e.Code {
	case InvalidClient, InvalidToken:
		return http.StatusUnauthorized
	case TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	case ServerError:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
