package bridge

import (
	"context"
	"time"
)

// Store keeps links. Each method is one whole transition: when it returns without an error, what it did is durable, and
// when it returns one, nothing was done, except that after a cancelled context a write may still take place.
//
// Errors are [ErrNotFound], [ErrRevoked] and [*DecidedError] where a method names them; any other means that the store
// cannot answer now, which must never be taken for an answer. A Store is safe for concurrent use, also by several
// processes. Times have whole seconds.
type Store interface {
	// CreatePendingConsent keeps the result of a sign-in until the person decides. Of two with one handle the first stays.
	CreatePendingConsent(ctx context.Context, pending PendingConsent) error

	// PendingConsent returns what CreatePendingConsent kept, decided or not; ErrNotFound for an unknown handle or one whose time is over.
	PendingConsent(ctx context.Context, handle Hash, now time.Time) (PendingConsent, error)

	// Link decides a pending consent for DecisionLink and makes the link with its first token or its code. With a token it
	// revokes the person's oldest links of that skill beyond the limit; a code does so when it is redeemed. ErrNotFound and DecidedError as with Decide.
	Link(ctx context.Context, handle Hash, link NewLink) error

	// Decide decides a pending consent for any other decision. ErrNotFound for an unknown handle or one whose time is
	// over, DecidedError when it is decided already.
	Decide(ctx context.Context, handle Hash, decision Decision, now time.Time) error

	// Redeem turns an authorization code into the first pair of tokens, once. ErrNotFound for an unknown or expired code,
	// ErrMismatch for one of another client, redirect URI or challenge, which changes nothing, ErrReplayed for one that was
	// redeemed before: later than CodeReplayGrace the link is revoked by it. ErrRevoked, ErrSuspended.
	Redeem(ctx context.Context, redemption Redemption) (Link, error)

	// Refresh adds an access token to a link, for a refresh token of the client. With a successor, the refresh token's
	// parent and siblings are superseded and the successor becomes its child; of its children the newest MaxSuccessors live.
	// ErrNotFound for an unknown or expired refresh token, ErrMismatch for another client's, ErrReplayed for a superseded
	// one, by which the link is revoked. ErrRevoked, ErrSuspended, ErrScope.
	Refresh(ctx context.Context, refresh Refresh) (Link, error)

	// RevokeByToken ends the link of a live token of any kind, if it is a link of one of the clients, and returns it.
	// ErrNotFound otherwise.
	RevokeByToken(ctx context.Context, token Hash, clients []string, now time.Time) (Link, error)

	// Lookup finds an access token, whatever has become of it or its link; ErrNotFound for an unknown one. The claims may be
	// shared with others who ask for the same token, and must not be changed.
	Lookup(ctx context.Context, token Hash) (AccessToken, error)

	// TouchLinks records when links were last used. A time within an hour of the one kept is not written, so that the last
	// use is exact to an hour. Unknown links are passed over.
	TouchLinks(ctx context.Context, uses []Use) error

	// Links lists links, the oldest first.
	Links(ctx context.Context, filter LinkFilter) ([]Link, error)

	// Revoke ends the links that the filter selects and that are live, and returns them. Links that had ended before keep
	// their time and reason.
	Revoke(ctx context.Context, filter LinkFilter, reason Reason, now time.Time) ([]Link, error)

	// Sweep removes up to limit rows of each kind that nothing can need any more, and returns how many it removed: pending
	// consents and tokens whose time is over, codes and superseded refresh tokens that have been kept long enough to find out
	// replays, old events. It ends links whose code was never redeemed, and those whose last token expired.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)

	// ReadFeed reads the feed after a position. Every end of a link is in it, whoever ended it, from the moment at which it is
	// durable: what ReadFeed returned before the feed of a later call began is all that had ended by then.
	ReadFeed(ctx context.Context, after Position) (Feed, error)

	// WaitForEvents returns when the feed may have grown since the last call of ReadFeed, and at the latest when the context ends. It
	// is only a hint: a store that nothing can wake waits for the context.
	WaitForEvents(ctx context.Context)

	// OnRevoke registers a function that is told of the links which this process ends, before the method that ended them
	// returns. It must be quick.
	OnRevoke(told func(linkIDs []string))

	// Close ends the store after the writes that it has begun.
	Close() error
}

// NewLink is what [Store.Link] needs to make a link.
type NewLink struct {
	Link      Link
	Token     Hash      // of its access token, of an implicit link
	ExpiresAt time.Time // of the token; zero: as long as the link
	Code      *NewCode  // of a link by the code grant, which has no token yet
	MaxLinks  int       // live links of this person with this skill, this one included; 0: no limit
}

// Use is one use of a link, to be noted.
type Use struct {
	LinkID    string
	At        time.Time
	AlexaUser Hash // of the Alexa user id, or empty when the backend told none
}

// UseGrain is how exact the last use of a link is kept.
const UseGrain = time.Hour

// NewCode is an authorization code and what it is bound to (RFC 6749 §4.1.2, RFC 7636 §4.4).
type NewCode struct {
	Hash          Hash
	RedirectURI   string
	CodeChallenge string // empty: none
	ExpiresAt     time.Time
}

// Redemption is an authorization code on its way to tokens.
type Redemption struct {
	Code          Hash
	ClientID      string
	RedirectURI   string // empty: not said, which is accepted
	CodeChallenge string // made from the verifier; must be the code's, both may be empty
	Tokens        NewTokens
	MaxLinks      int // as in NewLink
	Now           time.Time
	// Honours says whether the configuration honours the link. It is called within the transition and must be quick.
	Honours func(*Link) bool
}

// NewTokens are tokens to be added to a link. An empty hash adds none.
type NewTokens struct {
	Access           Hash
	AccessExpiresAt  time.Time
	Refresh          Hash
	RefreshExpiresAt time.Time // zero: as long as the link
}

// Refresh is a refresh token on its way to an access token.
type Refresh struct {
	Token    Hash
	ClientID string
	Scope    string    // asked for; must be within the link's
	Tokens   NewTokens // with a refresh token, the successor, to rotate
	Now      time.Time
	Honours  func(*Link) bool // as in Redemption
}

const (
	// CodeReplayGrace is how long after its redemption a code that comes again is taken for a lost answer.
	CodeReplayGrace = 10 * time.Second
	// MaxSuccessors is how many children of one refresh token live until one of them is presented.
	MaxSuccessors = 16
	// RedeemGrace is how long after its end a code that was never redeemed takes its link with it.
	RedeemGrace = time.Minute
	// ReplayMemory is how long used codes and superseded refresh tokens are kept to be recognised.
	ReplayMemory = 30 * 24 * time.Hour
)
