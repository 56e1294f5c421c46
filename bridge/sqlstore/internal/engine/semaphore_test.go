package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// TestSemaphoreOrder verifies that waiters are admitted in the order in which they came, and that one that gave up is
// passed over.
func TestSemaphoreOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, waiting, givesUp = 3, 40, 7
		s := make(semaphore, size)
		for range size {
			if err := s.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		cancelled, cancel := context.WithCancel(t.Context())
		var order, want []int
		for i := range waiting {
			ctx := t.Context()
			if i == givesUp {
				ctx = cancelled
			} else {
				want = append(want, i)
			}
			go func() {
				if err := s.acquire(ctx); err == nil {
					order = append(order, i)
				} else if !errors.Is(err, context.Canceled) || i != givesUp {
					t.Errorf("waiter %d: %v", i, err)
				}
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		if len(order) > 0 {
			t.Errorf("%v were admitted while the semaphore was full", order)
		}
		if err := s.acquire(cancelled); !errors.Is(err, context.Canceled) {
			t.Errorf("acquire with a cancelled context: %v", err)
		}
		for range want {
			s.release()
			synctest.Wait()
		}
		if !slices.Equal(order, want) {
			t.Errorf("admitted in the order %v", order)
		}
	})
}
