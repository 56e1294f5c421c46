package bridge

import (
	"errors"
	"fmt"
)

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

// Errors that a [Store] returns, to be recognised with errors.Is. Every other error of a store means that it cannot tell
// or cannot keep anything now.
var (
	// ErrNotFound: no such row, or one whose time is over.
	ErrNotFound = errors.New("not found")
	// ErrRevoked: the link has ended, so no token may be added to it.
	ErrRevoked = errors.New("link is revoked")
	// ErrReplayed: what was presented had been used up before.
	ErrReplayed = errors.New("presented again")
	// ErrMismatch: what was presented is not for this client, redirect URI or verifier.
	ErrMismatch = errors.New("presented with what it does not belong to")
	// ErrScope: more scopes were asked for than were granted.
	ErrScope = errors.New("scope is more than what was granted")
	// ErrSuspended: the link does not fit the configuration as it is.
	ErrSuspended = errors.New("link is suspended by the configuration")
)
