package bridge

import "time"

// Event is the end of one link, as the feed tells it to every process.
type Event struct {
	LinkID string
}

// Position is a place in the feed. The zero value is before everything. Positions are equal when nothing lies between them.
type Position struct {
	// Epoch names the life of a store. It is another one after a backup was restored.
	Epoch string
	// Count is how many events the store has had.
	Count int64
	// Mark is drawn with the event at the position. It tells stores apart that went different ways from one backup.
	Mark string
}

// Feed is what happened after a position.
type Feed struct {
	Position Position // where the feed stands now
	Events   []Event  // in the order in which they were committed
	// Broken says that the feed does not go on from the position asked for, or is too far ahead: nothing that was read
	// before can be trusted.
	Broken bool
}

const (
	// MaxEvents is how many events [Store.ReadFeed] returns; with more the feed is Broken.
	MaxEvents = 10_000
	// EventMemory is how long events are kept.
	EventMemory = time.Hour
)
