package bridge

import "time"

// NewCode is an authorization code and what it is bound to (RFC 6749 §4.1.2, RFC 7636 §4.4).
type NewCode struct {
	Hash          Hash
	RedirectURI   string
	CodeChallenge string // empty: none
	ExpiresAt     time.Time
}

// AuthorizationCode is an authorization code in the store, with the link that it belongs to.
type AuthorizationCode struct {
	NewCode
	Link       Link
	RedeemedAt time.Time // zero: not yet
}

// Check returns why a code is not good for a redemption, or nil. It is the only place that judges a code.
func (c *AuthorizationCode) Check(redemption *Redemption) error {
	switch {
	case c.Link.ClientID != redemption.ClientID,
		redemption.RedirectURI != "" && redemption.RedirectURI != c.RedirectURI,
		redemption.CodeChallenge != c.CodeChallenge:
		return ErrMismatch
	case !c.RedeemedAt.IsZero():
		return ErrReplayed
	case !redemption.Now.Before(c.ExpiresAt):
		return ErrNotFound
	case c.Link.Revoked():
		return ErrRevoked
	case !redemption.Permits(&c.Link):
		return ErrSuspended
	}
	return nil
}

// Redemption is the exchange of an authorization code for tokens.
type Redemption struct {
	Code          Hash
	ClientID      string
	RedirectURI   string // empty: the client sent none, which is accepted
	CodeChallenge string // computed from the verifier; must equal the code's, also when that is empty
	Tokens        NewTokens
	MaxLinks      int // as in NewLink
	Now           time.Time
	// Permits reports whether the configuration permits the link. It is called within the transaction, perhaps more
	// than once, and must return quickly.
	Permits func(*Link) bool
	Origin
}

const (
	// CodeReplayGrace is how long after its redemption a code may come again without revoking the link, since the
	// first response may have been lost.
	CodeReplayGrace = 10 * time.Second
	// RedeemGrace is how long after a code has expired its link is revoked if the code was not redeemed.
	RedeemGrace = time.Minute
	// ReplayMemory is how long redeemed codes and superseded refresh tokens are remembered, to recognise replays.
	ReplayMemory = 30 * 24 * time.Hour
)
