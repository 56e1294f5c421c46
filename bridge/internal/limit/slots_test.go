package limit

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
)

func network(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// take acquires a slot that must be free.
func take(t *testing.T, s *Slots, network netip.Prefix, first bool) (release func()) {
	t.Helper()
	w := &waiter{network: network, first: first, ready: make(chan struct{})}
	if err := s.enter(w); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.ready:
	default:
		t.Fatal("no slot is free")
	}
	return func() { s.release(w) }
}

// TestSlots lets a stranger take what a stranger can, and others come after that.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stranger, honest := network("198.51.100.1/32"), network("203.0.113.1/32")
		s := NewSlots(8, 8)
		release := take(t, s, stranger, true)
		take(t, s, stranger, true)
		var order []string
		wait := func(name string, network netip.Prefix, first bool) {
			go func() {
				if _, err := s.Acquire(t.Context(), network, first); err == nil {
					order = append(order, name)
				}
			}()
			synctest.Wait()
		}
		wait("stranger's repeat", stranger, false) // a quarter of the slots is taken
		wait("stranger's first", stranger, true)
		if _, err := s.Acquire(t.Context(), stranger, true); !errors.Is(err, ErrBusy) {
			t.Errorf("a quarter of the queue is not the limit: %v", err)
		}
		take(t, s, honest, true)()
		release()
		synctest.Wait()
		if len(order) != 1 || order[0] != "stranger's first" {
			t.Errorf("order %v", order)
		}
	})
}

// TestSlotsOfRepeats keeps half of the slots for first attempts.
func TestSlotsOfRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(4, 100)
		unknown := netip.Prefix{}
		take(t, s, unknown, false)
		take(t, s, unknown, false)
		ctx, cancel := context.WithCancel(t.Context())
		hungUp := make(chan error)
		go func() {
			_, err := s.Acquire(ctx, unknown, false)
			hungUp <- err
		}()
		synctest.Wait()
		first := take(t, s, unknown, true)
		take(t, s, unknown, true)
		cancel()
		if err := <-hungUp; !errors.Is(err, context.Canceled) {
			t.Errorf("who hung up got %v", err)
		}
		if len(s.waiting) != 0 {
			t.Error("who hung up still waits")
		}
		first()
		if s.sum != 3 || s.repeats != 2 {
			t.Errorf("%d run, %d of them repeats", s.sum, s.repeats)
		}
	})
}

// TestSlotsAreShared gives a slot to the network with the fewest.
func TestSlotsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crowd, other := network("198.51.100.0/24"), network("192.0.2.1/32")
		s := NewSlots(8, 8)
		take(t, s, crowd, true)
		var releases []func()
		for range 7 {
			releases = append(releases, take(t, s, netip.Prefix{}, true))
		}
		got := make(chan netip.Prefix, 2)
		for _, network := range []netip.Prefix{crowd, other} {
			go func() {
				if _, err := s.Acquire(t.Context(), network, true); err == nil {
					got <- network
				}
			}()
			synctest.Wait()
		}
		for i, want := range []netip.Prefix{other, crowd} {
			releases[i]()
			if first := <-got; first != want {
				t.Errorf("slot %d went to %v, want %v", i, first, want)
			}
		}
	})
}
