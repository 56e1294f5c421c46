package main

import (
	"sync"
	"time"
)

// recovery is what a replica may take to reach the store again once nothing stands in its way: a reading of the feed that
// hangs is given up after 1 s, the next begins within 250 ms, and may have to log in first.
const recovery = 2 * time.Second

// timeline is what the suite did to one replica and to its way to the store, and what it noticed itself.
type timeline struct {
	mu        sync.Mutex
	disturbed []*span // the replica may be unable to read the feed
	stall     *span   // the last of them that was only noticed
	cuts      []*span // the replica certainly cannot
}

// span is a stretch of time.
type span struct {
	from, to time.Time // to is zero while it lasts
	fresh    bool      // nothing else was amiss when it began
}

func (s *span) touches(from, to time.Time) bool {
	return !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from))
}

// disturb begins a disturbance. It is to be called before anything is done, and what it returns when all is as it was.
func (l *timeline) disturb() (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begun := &span{from: time.Now(), fresh: true}
	for _, other := range l.disturbed {
		begun.fresh = begun.fresh && !other.touches(begun.from.Add(-2*time.Second), begun.from)
	}
	l.disturbed = append(l.disturbed, begun)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		begun.to = time.Now().Add(recovery)
	}
}

// noticed notes a disturbance that is over. One that follows upon another makes that one longer.
func (l *timeline) noticed(from, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.stall; last != nil && !last.to.Before(from) {
		last.to = to.Add(recovery)
		return
	}
	l.stall = &span{from: from, to: to.Add(recovery)}
	l.disturbed = append(l.disturbed, l.stall)
}

// cutOff begins a cut, within a disturbance. It is to be called when no byte can pass any more, and what it returns before
// one can again.
func (l *timeline) cutOff() (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begun := &span{from: time.Now(), fresh: true}
	for _, other := range l.disturbed {
		begun.fresh = begun.fresh && (other.fresh || !other.to.IsZero())
	}
	l.cuts = append(l.cuts, begun)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		begun.to = time.Now()
	}
}

// calm says whether the store was certainly in reach all that time.
func (l *timeline) calm(from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.disturbed {
		if s.touches(from, to) {
			return false
		}
	}
	return true
}

// calmWithin says whether the store was certainly in reach at some moment of that time.
func (l *timeline) calmWithin(from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := from; !at.After(to); {
		s := l.covering(at)
		switch {
		case s == nil:
			return true
		case s.to.IsZero():
			return false
		}
		at = s.to.Add(time.Nanosecond)
	}
	return false
}

func (l *timeline) covering(at time.Time) *span {
	for _, s := range l.disturbed {
		if s.touches(at, at) {
			return s
		}
	}
	return nil
}

// settled says whether a request of that time can have no effect any more that it did not have: the replica has been
// undisturbed since for longer than it works on a request (3 s) and than the database keeps what it does not commit (5 s).
func (l *timeline) settled(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.disturbed {
		switch {
		case s.to.IsZero():
			return false
		case s.to.After(since):
			since = s.to
		}
	}
	return time.Since(since) > 6*time.Second
}

// cutThroughout returns the cut that lasted all that time, or nil.
func (l *timeline) cutThroughout(from, to time.Time) *span {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.cuts {
		if !s.from.After(from) && (s.to.IsZero() || s.to.After(to)) {
			found := *s
			return &found
		}
	}
	return nil
}

// calmShare is how much of the time the store was certainly in reach.
func (l *timeline) calmShare(from, to time.Time) float64 {
	const step = 50 * time.Millisecond
	var calm, all float64
	for at := from; at.Before(to); at = at.Add(step) {
		all++
		if l.calm(at, at) {
			calm++
		}
	}
	return calm / max(all, 1)
}
