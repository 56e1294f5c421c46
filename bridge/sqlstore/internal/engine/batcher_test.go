package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// doResult is what Do returned for a request.
type doResult struct {
	request, batch int
	err            error
}

// batcherTest runs one batch at a time, each when the test says so, inside a synctest bubble.
type batcherTest struct {
	*testing.T
	*Batcher[int]
	start   chan error // the result of the next run
	batches [][]int
	results chan doResult
}

func newBatcherTest(t *testing.T) *batcherTest {
	b := &batcherTest{T: t, start: make(chan error), results: make(chan doResult, 100)}
	b.Batcher = NewBatcher(1, func(_ context.Context, batch []int) error {
		b.batches = append(b.batches, batch)
		return <-b.start
	})
	return b
}

// do calls Do in the background and waits until it blocks.
func (b *batcherTest) do(ctx context.Context, request int) {
	go func() {
		batch, err := b.Do(ctx, request)
		b.results <- doResult{request, batch, err}
	}()
	synctest.Wait()
}

func (b *batcherTest) finish(err error) {
	b.start <- err
	synctest.Wait()
}

func (b *batcherTest) wantBatches(want ...[]int) {
	b.Helper()
	if !slices.EqualFunc(b.batches, want, func(a, b []int) bool { return slices.Equal(a, b) }) {
		b.Errorf("batches %v, want %v", b.batches, want)
	}
}

func (b *batcherTest) wantResults(want ...doResult) {
	b.Helper()
	for range want {
		if got := <-b.results; !slices.Contains(want, got) {
			b.Errorf("got %+v, want one of %+v", got, want)
		}
	}
}

func TestBatcherShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcherTest(t)
		failure := errors.New("failure")
		for request := range 4 {
			b.do(t.Context(), request)
		}
		b.wantBatches([]int{0})
		b.finish(nil)
		b.wantBatches([]int{0}, []int{1, 2, 3})
		b.finish(failure)
		b.wantResults(doResult{0, 1, nil}, doResult{1, 3, failure}, doResult{2, 3, failure}, doResult{3, 3, failure})
		b.do(t.Context(), 4)
		b.finish(nil)
		b.wantResults(doResult{4, 1, nil})
		if len(b.runs) > 0 || len(b.waiting) > 0 {
			t.Errorf("%d run and %d wait after the last result", len(b.runs), len(b.waiting))
		}
	})
}

func TestBatcherLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcherTest(t)
		for request := range MaxBatch + 3 {
			b.do(t.Context(), request)
		}
		for range 3 {
			b.finish(nil)
		}
		if len(b.batches) != 3 || len(b.batches[1]) != MaxBatch || len(b.batches[2]) != 2 {
			t.Errorf("batches %v", b.batches)
		}
	})
}

// TestBatcherCancel verifies that a caller that gives up leaves the queue, and that its batch goes on for the others.
func TestBatcherCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcherTest(t)
		ctx, cancel := context.WithCancel(t.Context())
		b.do(t.Context(), 0)
		b.do(ctx, 1)
		b.do(t.Context(), 2)
		b.do(ctx, 3)
		cancel()
		synctest.Wait()
		b.wantResults(doResult{1, 0, context.Canceled}, doResult{3, 0, context.Canceled})
		b.finish(nil)
		b.finish(nil)
		b.wantBatches([]int{0}, []int{2})
		b.wantResults(doResult{0, 1, nil}, doResult{2, 1, nil})
		for range 20 { // often enough that it is not by chance
			if _, err := b.Do(ctx, 4); !errors.Is(err, context.Canceled) {
				t.Fatalf("Do with a cancelled context: %v", err)
			}
		}
	})
}

// TestBatcherDeadline verifies that a batch runs until the latest deadline of its callers, whoever runs it.
func TestBatcherDeadline(t *testing.T) {
	for _, tt := range []struct {
		timeouts []time.Duration // 0: none
		want     time.Duration
	}{
		{[]time.Duration{time.Minute, time.Hour, time.Second}, time.Hour},
		{[]time.Duration{time.Minute, 0, time.Second}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var size int
			b := NewBatcher(1, func(ctx context.Context, batch []int) error {
				size = len(batch)
				deadline, ok := ctx.Deadline()
				if ok != (tt.want > 0) || ok && !deadline.Equal(began.Add(tt.want)) || ctx.Err() != nil {
					t.Errorf("deadline %v, %v", deadline, ctx.Err())
				}
				return nil
			})
			b.runs <- struct{}{}
			for _, timeout := range tt.timeouts {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if timeout > 0 {
					ctx, cancel = context.WithTimeout(ctx, timeout)
				}
				go func() {
					defer cancel()
					if _, err := b.Do(ctx, 0); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			b.runs.release()
			synctest.Wait()
			if size != len(tt.timeouts) {
				t.Errorf("a batch of %d, want %d", size, len(tt.timeouts))
			}
		})
	}
}

// TestBatcherPanic verifies that callers get an error when the one that runs their batch panics.
func TestBatcherPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBatcher(1, func(context.Context, []int) error { panic("query") })
		b.runs <- struct{}{}
		panics, failures := 0, 0
		var mu sync.Mutex
		for range 3 {
			go func() {
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					if recover() != nil {
						panics++
					}
				}()
				_, err := b.Do(t.Context(), 0)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, errPanicked) {
					failures++
				}
			}()
		}
		synctest.Wait()
		b.runs.release()
		synctest.Wait()
		if panics != 1 || failures != 2 || len(b.runs) > 0 {
			t.Errorf("%d panics, %d errors, %d running; want 1, 2, 0", panics, failures, len(b.runs))
		}
	})
}
