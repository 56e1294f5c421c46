package bridge

import "time"

// Event is the revocation of one link in the feed that every process reads, or, for [ReasonClaimsChanged], the change
// of its claims.
type Event struct {
	LinkID   string
	ClientID string
	Reason   Reason
	Actor    Actor
}

// Position is a position in the feed. The zero value is before all events. Two positions are equal if no event lies
// between them.
type Position struct {
	// Epoch identifies the database. A restored backup has another one.
	Epoch string
	// Count is how many events the store has had.
	Count int64
	// Mark is a random value of the event at the position. It distinguishes databases that diverged from one backup.
	Mark string
}

// Feed is the result of reading the feed from a position on.
type Feed struct {
	Position Position // of the last event
	Events   []Event  // in the order in which they were committed
	// Broken means that the feed does not continue from the position, or has too many events since: everything that
	// was read from the store before must be dropped.
	Broken bool
}

const (
	// MaxEvents is how many events [Store.ReadFeed] returns at most. With more, the feed is Broken.
	MaxEvents = 10_000
	// EventMemory is how long events are kept.
	EventMemory = time.Hour
)
