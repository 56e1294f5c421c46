package bridge

import "time"

// RefreshToken is a refresh token in the store, with the link that it belongs to.
type RefreshToken struct {
	Link         Link
	Hash         Hash
	Parent       Hash      // the refresh token that was presented for this one; empty: none
	ExpiresAt    time.Time // zero: when its link is revoked
	SupersededAt time.Time // zero: not superseded
}

// Check returns why a refresh token may not be used for a refresh, or nil. It is the only place that judges one.
func (t *RefreshToken) Check(refresh *Refresh) error {
	switch {
	case t.Link.ClientID != refresh.ClientID:
		return ErrMismatch
	case t.Link.Revoked():
		return ErrRevoked
	case !t.ExpiresAt.IsZero() && !refresh.Now.Before(t.ExpiresAt):
		return ErrNotFound
	case !t.SupersededAt.IsZero():
		return ErrReplayed
	case !refresh.Permits(&t.Link):
		return ErrSuspended
	case !t.Link.HasScopes(refresh.Scope):
		return ErrScope
	}
	return nil
}

// Refresh is the use of a refresh token.
type Refresh struct {
	Token    Hash
	ClientID string
	Scope    string    // requested, separated by spaces; empty: all that was granted
	Tokens   NewTokens // with a refresh token, the successor, to rotate
	Now      time.Time
	Permits  func(*Link) bool // as in Redemption
	Origin
}

// MaxSuccessors is how many children of one refresh token stay good until one of them is presented.
const MaxSuccessors = 16
