package limit

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// ErrBusy means that as many run and wait as may.
var ErrBusy = errors.New("too many at once")

// Slots bounds how many run at once, shares them by network, and keeps room for first attempts. It is safe for
// concurrent use.
type Slots struct {
	total   int // that run at once
	queue   int // that wait at once
	mu      sync.Mutex
	running map[netip.Prefix]int
	sum     int // of running
	repeats int // of sum, those that are not first attempts
	waiting []*waiter
}

// waiter is a caller that runs or waits.
type waiter struct {
	network netip.Prefix // zero: not known
	first   bool
	ready   chan struct{} // closed when it may run
}

// NewSlots returns slots. One network has at most a quarter of the slots and of the queue; first attempts have half of
// the slots to themselves.
func NewSlots(total, queue int) *Slots {
	return &Slots{total: total, queue: queue, running: map[netip.Prefix]int{}}
}

// Acquire waits for a slot. The caller must release it. The errors are ErrBusy and that of the context.
func (s *Slots) Acquire(ctx context.Context, network netip.Prefix, first bool) (release func(), err error) {
	w := &waiter{network: network, first: first, ready: make(chan struct{})}
	if err := s.enter(w); err != nil {
		return nil, err
	}
	select {
	case <-w.ready:
		return sync.OnceFunc(func() { s.release(w) }), nil
	case <-ctx.Done():
		s.leave(w)
		return nil, ctx.Err()
	}
}

// enter lets a waiter run, or puts it into the queue.
func (s *Slots) enter(w *waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fits(w) { // then nobody who waits does, except for a reason that does not concern this one
		s.start(w)
		return nil
	}
	sameNetwork := 0
	for _, other := range s.waiting {
		if other.network == w.network {
			sameNetwork++
		}
	}
	if len(s.waiting) >= s.queue || w.network.IsValid() && sameNetwork >= s.queue/4 {
		return ErrBusy
	}
	s.waiting = append(s.waiting, w)
	return nil
}

// leave gives up waiting, or the slot that became free meanwhile.
func (s *Slots) leave(w *waiter) {
	s.mu.Lock()
	i := slices.Index(s.waiting, w)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 {
		s.release(w)
	}
}

func (s *Slots) release(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum--
	if !w.first {
		s.repeats--
	}
	if s.running[w.network]--; s.running[w.network] == 0 {
		delete(s.running, w.network)
	}
	for i := s.next(); i >= 0; i = s.next() {
		next := s.waiting[i]
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.start(next)
	}
}

// fits reports whether a waiter may run now.
func (s *Slots) fits(w *waiter) bool {
	return s.sum < s.total &&
		(w.first || s.repeats < s.total/2) &&
		(!w.network.IsValid() || s.running[w.network] < max(1, s.total/4))
}

func (s *Slots) start(w *waiter) {
	s.sum++
	if !w.first {
		s.repeats++
	}
	s.running[w.network]++
	close(w.ready)
}

// next returns which waiter runs next: a first attempt before others, then one of the network with the fewest that
// run, then the one that has waited longest; -1 if none may.
func (s *Slots) next() int {
	best := -1
	for i, w := range s.waiting {
		if s.fits(w) && (best < 0 || s.before(w, s.waiting[best])) {
			best = i
		}
	}
	return best
}

func (s *Slots) before(a, b *waiter) bool {
	if a.first != b.first {
		return a.first
	}
	return s.running[a.network] < s.running[b.network]
}
