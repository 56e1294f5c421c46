package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// MaxBatch bounds how many calls share one run of a [Batcher], and so how long the first of them waits.
const MaxBatch = 32

// Batcher lets calls that wait at the same time share one run of a function, such as a query. There is no background
// goroutine and no waiting for more calls: one of the callers that wait runs the batch for all of them, so that a run
// always begins after the calls that it serves.
type Batcher[Q any] struct {
	runs semaphore
	run  func(ctx context.Context, batch []Q) error

	mu      sync.Mutex
	waiting []*call[Q] // in the order in which they came
}

// call is one caller's request.
type call[Q any] struct {
	request  Q
	deadline time.Time // of its caller; zero: none

	done  chan struct{} // closed when batch and err are set
	batch int           // how many calls shared the run
	err   error
}

// NewBatcher returns a batcher that runs at most the given number of batches at once. The function stores results in
// the requests, which are pointers. Its context ends at the latest deadline of the batch, not when one of the callers
// hangs up. Its error is the error of every call of the batch.
func NewBatcher[Q any](runs int, run func(ctx context.Context, batch []Q) error) *Batcher[Q] {
	return &Batcher[Q]{runs: make(semaphore, runs), run: run}
}

// errPanicked is the error of calls whose batch was run by a caller that panicked.
var errPanicked = errors.New("a shared query panicked")

// Do runs a request, alone or with others, and returns how many requests shared the run and the error of the run.
// When the context ends first, it returns 0 and the context's error; the request may still be run.
func (b *Batcher[Q]) Do(ctx context.Context, request Q) (batch int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c := b.enqueue(ctx, request)
	runs := b.runs
	for {
		select {
		case <-c.done:
			return c.batch, c.err
		case runs <- struct{}{}:
			if !b.runBatch(ctx, c) {
				runs = nil // another caller runs the batch of this call
			}
		case <-ctx.Done():
			b.remove(c)
			return 0, ctx.Err()
		}
	}
}

func (b *Batcher[Q]) enqueue(ctx context.Context, request Q) *call[Q] {
	c := &call[Q]{request: request, done: make(chan struct{})}
	c.deadline, _ = ctx.Deadline()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, c)
	return c
}

func (b *Batcher[Q]) remove(c *call[Q]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, c); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
}

// runBatch runs the calls that have waited longest, and releases the semaphore. It does nothing and returns false if
// the given call is not waiting any more.
func (b *Batcher[Q]) runBatch(ctx context.Context, c *call[Q]) bool {
	defer b.runs.release()
	batch := b.take(c)
	if len(batch) == 0 {
		return false
	}
	requests := make([]Q, len(batch))
	for i, c := range batch {
		requests[i] = c.request
	}
	err := errPanicked
	defer func() {
		for _, c := range batch {
			c.batch, c.err = len(batch), err
			close(c.done)
		}
	}()
	ctx, cancel := untilLastDeadline(ctx, batch)
	defer cancel()
	err = b.run(ctx, requests)
	return true
}

// take removes the next batch from the waiting calls; none if the given call is not waiting.
func (b *Batcher[Q]) take(c *call[Q]) []*call[Q] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.waiting, c) {
		return nil
	}
	n := min(len(b.waiting), MaxBatch)
	batch := slices.Clone(b.waiting[:n])
	b.waiting = slices.Delete(b.waiting, 0, n)
	return batch
}

func untilLastDeadline[Q any](ctx context.Context, batch []*call[Q]) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	var last time.Time
	for _, c := range batch {
		if c.deadline.IsZero() {
			return ctx, func() {}
		}
		if c.deadline.After(last) {
			last = c.deadline
		}
	}
	return context.WithDeadline(ctx, last)
}

// semaphore bounds concurrency and admits waiters in the order in which they came. The pool of database/sql picks any
// of those that wait, so that some wait very long.
type semaphore chan struct{}

func (s semaphore) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s semaphore) release() { <-s }
