package bridge

import "errors"

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
	// ErrStoreReplaced: the database file was replaced while it was open. The process must exit and be restarted by its
	// supervisor, since it cannot open the new file.
	ErrStoreReplaced = errors.New("the database file was replaced while it was open; restart this program")
)
