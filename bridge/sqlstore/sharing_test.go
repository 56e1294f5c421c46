package sqlstore

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gatheringRig is a sharing whose queries take no time, and how many shared each.
type gatheringRig struct {
	*testing.T
	sharing[int]
	meanwhile func() // is done during the first query

	mu     sync.Mutex
	shared []int
}

func newGatheringRig(t *testing.T) *gatheringRig {
	r := &gatheringRig{T: t}
	r.turns, r.gathering = newTurns(1), time.Second
	r.query = func(_ context.Context, group []*asked[int]) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.shared) == 0 && r.meanwhile != nil {
			r.meanwhile()
		}
		r.shared = append(r.shared, len(group))
		return nil
	}
	return r
}

// asks asks in the background, and returns as soon as nothing happens any more.
func (r *gatheringRig) asks(ctx context.Context) {
	go func() {
		if _, err := r.ask(ctx, 0); err != nil && ctx.Err() == nil {
			r.Error(err)
		}
	}()
	synctest.Wait()
}

// together lets some ask together.
func (r *gatheringRig) together(n int) {
	r.turns <- struct{}{}
	for range n {
		r.asks(r.Context())
	}
	r.turns.giveBack()
	synctest.Wait()
}

func (r *gatheringRig) want(shared ...int) {
	r.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.shared, shared) {
		r.Errorf("%v shared a query, want %v", r.shared, shared)
	}
}

// Those who came together are waited for when one of them comes again, and nobody else is.
func TestGather(t *testing.T) {
	for name, one := range map[string]struct {
		takes time.Duration
		steps func(*gatheringRig)
	}{
		"alone": {0, func(r *gatheringRig) {
			r.asks(r.Context())
			r.asks(r.Context())
			r.want(1, 1)
		}},
		"all come again": {time.Second / 2, func(r *gatheringRig) {
			r.together(3)
			r.want(3)
			r.asks(r.Context())
			time.Sleep(time.Second / 2)
			r.asks(r.Context())
			r.want(3)
			r.asks(r.Context())
			r.want(3, 3)
		}},
		"one comes again": {time.Second, func(r *gatheringRig) {
			r.together(3)
			r.asks(r.Context())
			time.Sleep(time.Second - time.Nanosecond)
			r.want(3)
			time.Sleep(time.Nanosecond)
			r.want(3, 1)
			r.asks(r.Context()) // it was alone the last time
			r.want(3, 1, 1)
		}},
		"another comes meanwhile": {0, func(r *gatheringRig) {
			r.meanwhile = func() { r.join(0) }
			r.together(2)
			r.asks(r.Context())
			r.want(2)
			r.asks(r.Context())
			r.want(2, 3)
		}},
		"more than can share": {0, func(r *gatheringRig) {
			r.together(maxShared + 2)
			for range maxShared - 2 {
				r.want(maxShared)
				r.asks(r.Context())
			}
			r.want(maxShared, maxShared)
		}},
		"who leads hangs up": {0, func(r *gatheringRig) {
			r.together(2)
			ctx, hangUp := context.WithCancel(r.Context())
			r.asks(ctx)
			hangUp()
			r.want(2, 1)
			if len(r.turns) > 0 {
				r.Error("a turn to lead was kept")
			}
		}},
		"a turn for who has an answer": {0, func(r *gatheringRig) {
			r.together(2)
			r.turns <- struct{}{}
			if r.lead(r.Context(), &asked[int]{}) {
				r.Error("a query was asked for nobody")
			}
			r.want(2)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				one.steps(newGatheringRig(t))
				if took := time.Since(began); took != one.takes {
					t.Errorf("took %v, want %v", took, one.takes)
				}
			})
		})
	}
}
