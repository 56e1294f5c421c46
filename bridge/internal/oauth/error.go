// Package oauth is the vocabulary of OAuth 2.0 over HTTP: forms, client credentials, error codes, and JSON responses (RFC 6749,
// RFC 6750, RFC 7009, RFC 7662).
package oauth

import "fmt"

// Error codes of RFC 6749 §4.1.2.1 and §5.2.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	InvalidScope            = "invalid_scope"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnauthorizedClient      = "unauthorized_client"
	AccessDenied            = "access_denied"
	UnsupportedResponseType = "unsupported_response_type"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
)

// Error is an OAuth error as the other side will read it: a code and a sentence for a developer. The sentence is ours,
// ASCII, without quotes and backslashes (RFC 6749 §4.1.2.1), and never repeats what a stranger wrote.
type Error struct {
	Code        string
	Description string
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Errorf returns an [Error] with a formatted description.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}
