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
	// Await keeps the result of a sign-in until the person decides. Of two with one handle the first stays.
	Await(ctx context.Context, pending PendingConsent) error

	// PendingConsent returns what Await kept, decided or not; ErrNotFound for an unknown handle or one whose time is over.
	PendingConsent(ctx context.Context, handle Hash, now time.Time) (PendingConsent, error)

	// Link decides a pending consent for DecisionLink and makes the link with its first token, and revokes the person's
	// oldest links of that skill beyond the limit. ErrNotFound and DecidedError as with Refuse.
	Link(ctx context.Context, handle Hash, link NewLink) error

	// Refuse decides a pending consent for any other decision. ErrNotFound for an unknown handle or one whose time is
	// over, DecidedError when it is decided already.
	Refuse(ctx context.Context, handle Hash, decision Decision, now time.Time) error

	// LookUp finds an access token, whatever has become of it or its link; ErrNotFound for an unknown one.
	LookUp(ctx context.Context, token Hash) (AccessToken, error)

	// NoteUses records when links were last used. A time within an hour of the one kept is not written, so that the last
	// use is exact to an hour. Unknown links are passed over.
	NoteUses(ctx context.Context, uses []Use) error

	// Links lists links, the oldest first.
	Links(ctx context.Context, filter LinkFilter) ([]Link, error)

	// Revoke ends the links that the filter selects and that are live, and returns them. Links that had ended before keep
	// their time and reason.
	Revoke(ctx context.Context, filter LinkFilter, reason Reason, now time.Time) ([]Link, error)

	// Sweep removes up to limit rows that nothing can need any more, and returns how many it removed.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)

	// Ping says whether the store can be read.
	Ping(ctx context.Context) error

	// Close ends the store after the writes that it has begun.
	Close() error
}

// NewLink is what [Store.Link] needs to make a link.
type NewLink struct {
	Link      Link
	Token     Hash      // of its access token
	ExpiresAt time.Time // of the token; zero: as long as the link
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
