package introspect

import (
	"context"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
)

// Deps are the dependencies of a [Handler]. All are required.
type Deps struct {
	endpoint.Deps
	// MaxStaleness is how old the last successful read of the feed may be for an answer from the cache.
	MaxStaleness time.Duration
	// Memory is the size of the cache in bytes; at least [answercache.MinSize] is used.
	Memory int
	// Sampler is of log lines.
	Sampler *httperror.Sampler
}

// Handler serves /lookup and /userinfo. It is safe for concurrent use.
type Handler struct {
	Deps
	cache    *answercache.Cache
	feed     *feedReader
	lastUsed *lastUsed
	metrics  *metrics
	guessers *limit.Slots // of requests at /userinfo
	buffers  sync.Pool    // of *buffers

	unregister func()          // at the store
	retired    context.Context // ends with Retire
	endFeed    func()
}

// New returns a handler. Until its [Handler.Run] is called, it answers nothing from the cache and does not record
// when links were used. The error is [answercache.ErrMemory].
func New(deps Deps) (*Handler, error) {
	cache, err := answercache.New(deps.Memory)
	if err != nil {
		return nil, err
	}
	h := &Handler{Deps: deps, cache: cache, feed: newFeedReader(deps, cache), lastUsed: newLastUsed(deps.Deps),
		guessers: limit.NewSlots(maxGuessers, 32*maxGuessers)}
	h.metrics = newMetrics(deps.Deps, h.feed, cache)
	h.buffers.New = func() any { return newBuffers() }
	h.retired, h.endFeed = context.WithCancel(context.Background())
	h.unregister = deps.Store.OnRevoke(func(events []bridge.Event) {
		for _, event := range events {
			cache.Revoke(event.LinkID)
		}
	})
	return h, nil
}

// Run reads the feed of revocations and records when links were used, until the context ends. It returns an error
// only if the process must be restarted: [bridge.ErrStoreReplaced].
func (h *Handler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { h.lastUsed.run(ctx) })
	reading, stop := context.WithCancel(h.retired)
	defer context.AfterFunc(ctx, stop)()
	err := h.feed.run(reading)
	if err == nil {
		<-ctx.Done() // after Retire there are still uses to be recorded
	}
	cancel()
	group.Wait()
	return err
}

// WaitReady waits until the feed has been read, so that the cache may answer. Its error is that of the context.
func (h *Handler) WaitReady(ctx context.Context) error {
	select {
	case <-h.feed.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Retire frees the cache and stops reading the feed. From then on every lookup asks the store.
func (h *Handler) Retire() {
	h.cache.Free()
	h.unregister()
	h.endFeed()
}

// ReadAgain drops the cached answers of a link.
func (h *Handler) ReadAgain(linkID string) { h.cache.Revoke(linkID) }

// StoreOutOfReach reports whether the store has been out of reach for so long that nothing is answered from the cache
// any more.
func (h *Handler) StoreOutOfReach() bool {
	age, _ := h.feed.age(h.Now())
	return age >= h.MaxStaleness
}
