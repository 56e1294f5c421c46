package bridge

import "errors"

// Errors of a [Store], for errors.Is. Any other error means that the store is unavailable.
var (
	// ErrNotFound means that there is no such row, or that it has expired.
	ErrNotFound = errors.New("not found")
	// ErrRevoked means that the link is revoked, so that no token may be added to it.
	ErrRevoked = errors.New("link is revoked")
	// ErrReplayed means that a code or refresh token was presented that had been used up before.
	ErrReplayed = errors.New("presented again after it was used")
	// ErrMismatch means that a code or refresh token belongs to another client, redirect URI or code verifier.
	ErrMismatch = errors.New("client, redirect URI or code verifier does not match")
	// ErrScope means that scopes were requested that were not granted.
	ErrScope = errors.New("scope was not granted")
	// ErrSuspended means that the current configuration does not permit the link.
	ErrSuspended = errors.New("link is suspended by the configuration")
	// ErrSignInRevoked means that the links of the person were revoked or erased by subject after they signed in.
	ErrSignInRevoked = errors.New("the person's links and sign-ins were revoked after this sign-in")
	// ErrAmbiguous means that a name stands for several persons, so that nothing was done.
	ErrAmbiguous = errors.New("the name stands for several persons")
	// ErrTokenUsed means that the JWT or the event that asked for the transition was accepted before.
	ErrTokenUsed = errors.New("the token or event was accepted before")
	// ErrStoreReplaced means that another database was put in the place of the one that is open. The process must
	// exit, so that its supervisor starts it on the new database.
	ErrStoreReplaced = errors.New("the database was replaced while it was open")
)
