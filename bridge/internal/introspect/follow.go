package introspect

import (
	"context"
	"sync/atomic"
	"time"

	"alexa-oidc-bridge/bridge"
)

const (
	// followEvery is how often the feed is read when nothing wakes us.
	followEvery = 250 * time.Millisecond
	// followTimeout bounds one reading.
	followTimeout = time.Second
	// followWithin is how old the last reading may be for answers from memory while nothing says that the store is out of
	// reach. A process that was frozen asks the store until it has caught up.
	followWithin = time.Second
	// complainEvery is how often the log says that the store is out of reach.
	complainEvery = 10 * time.Second
)

// follower reads the feed of ends, and knows how old what it has read is.
type follower struct {
	deps     Deps
	limit    time.Duration // how old what was read may be
	memory   *memory
	position bridge.Position

	opened   time.Time
	read     atomic.Pointer[time.Time] // when the last reading that was complete began; nil: never
	lost     atomic.Bool               // the last reading failed
	lostAt   time.Time
	complain time.Time
}

func newFollower(deps Deps, limit time.Duration, memory *memory) *follower {
	return &follower{deps: deps, limit: limit, memory: memory, opened: deps.Now()}
}

// run follows until the context ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.readFeed(ctx)
		wait, cancel := context.WithTimeout(ctx, followEvery)
		f.deps.Store.WaitForEvents(wait)
		cancel()
	}
}

func (f *follower) readFeed(ctx context.Context) {
	began := f.deps.Now()
	reading, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	feed, err := f.deps.Store.ReadFeed(reading, f.position)
	if err != nil {
		if ctx.Err() == nil { // otherwise it only means that the server stops
			f.fail(began, err)
		}
		return
	}
	if feed.Broken {
		f.memory.forget()
	}
	for _, event := range feed.Events {
		f.memory.end(event.LinkID)
	}
	f.position = feed.Position
	f.read.Store(&began)
	if f.lost.Swap(false) {
		f.deps.Log.Info("store reached again", "after", f.deps.Now().Sub(f.lostAt).String())
	}
}

func (f *follower) fail(now time.Time, err error) {
	if !f.lost.Swap(true) {
		f.lostAt, f.complain = now, time.Time{}
	}
	if now.Sub(f.complain) >= complainEvery {
		f.complain = now
		f.deps.Log.Error("store out of reach", "since", f.lostAt, "error", err)
	}
}

// age is how long ago the last complete reading began. It is never: what is in memory cannot be trusted.
func (f *follower) age(now time.Time) (age time.Duration, ever bool) {
	if read := f.read.Load(); read != nil {
		return between(*read, now), true
	}
	return between(f.opened, now), false
}

// between is the longer of what the two clocks of a machine say: one of them stands still while the machine sleeps, the
// other may be set back.
func between(began, now time.Time) time.Duration {
	return max(now.Sub(began), now.Round(0).Sub(began.Round(0)))
}

// trusted says whether memory may answer in the store's place.
func (f *follower) trusted(now time.Time) bool {
	age, ever := f.age(now)
	return ever && (age < min(followWithin, f.limit) || f.lost.Load() && age < f.limit)
}

// lastResort says whether memory may answer when the store cannot.
func (f *follower) lastResort(now time.Time) bool {
	age, ever := f.age(now)
	return ever && age < f.limit
}
