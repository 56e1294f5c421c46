//go:build strict

package chaostest

import (
	"sync"
	"time"
)

// recovery is how long a replica may take to read from the store again after a disturbance: it gives up a hanging
// feed read after 1 s, starts the next within 250 ms, and may have to reconnect first.
const recovery = 2 * time.Second

// timeline records the faults of one replica and of its connection to the store.
type timeline struct {
	mu           sync.Mutex
	disturbances []*interval // the replica may be unable to read the feed
	lastStall    *interval   // the newest disturbance that was observed and not injected
	partitions   []*interval // the replica is certainly unable to read the feed
}

// interval is a period of time.
type interval struct {
	from, to time.Time // to is zero while it lasts
	isolated bool      // no other disturbance preceded it
}

func (i *interval) overlaps(from, to time.Time) bool {
	return !i.from.After(to) && (i.to.IsZero() || !i.to.Before(from))
}

// disturb starts a disturbance. It is called before the fault; the returned function is called when the fault is
// over.
func (l *timeline) disturb() (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	started := &interval{from: time.Now(), isolated: true}
	for _, other := range l.disturbances {
		started.isolated = started.isolated && !other.overlaps(started.from.Add(-2*time.Second), started.from)
	}
	l.disturbances = append(l.disturbances, started)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		started.to = time.Now().Add(recovery)
	}
}

// addStall adds a disturbance that was observed and is over. It extends the last one if they overlap.
func (l *timeline) addStall(from, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.lastStall; last != nil && !last.to.Before(from) {
		last.to = to.Add(recovery)
		return
	}
	l.lastStall = &interval{from: from, to: to.Add(recovery)}
	l.disturbances = append(l.disturbances, l.lastStall)
}

// partition starts a partition within a disturbance. It is called when no byte can pass any more; the returned
// function is called before one can pass again.
func (l *timeline) partition() (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	started := &interval{from: time.Now(), isolated: true}
	for _, other := range l.disturbances {
		started.isolated = started.isolated && (other.isolated || !other.to.IsZero())
	}
	l.partitions = append(l.partitions, started)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		started.to = time.Now()
	}
}

// undisturbed reports whether the replica was certainly able to read the feed during the whole period.
func (l *timeline) undisturbed(from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.disturbances {
		if i.overlaps(from, to) {
			return false
		}
	}
	return true
}

// settled reports whether a request of that time can have no further effect: the replica has been undisturbed for
// longer than it works on a request (3 s) and than the database keeps an open transaction (5 s).
func (l *timeline) settled(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.disturbances {
		if i.to.IsZero() {
			return false
		}
		if i.to.After(since) {
			since = i.to
		}
	}
	return time.Since(since) > 6*time.Second
}

// partitionDuring returns a copy of the partition that lasted for the whole period, or nil.
func (l *timeline) partitionDuring(from, to time.Time) *interval {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.partitions {
		if !i.from.After(from) && (i.to.IsZero() || i.to.After(to)) {
			found := *i
			return &found
		}
	}
	return nil
}
