package introspect

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/clients"
)

// Config says who may look up what, and for how long without the store.
type Config struct {
	PublicURL string // our origin and issuer, without a slash at the end
	Clients   *clients.Registry
	// MaxStaleness is how old the last successful read of the feed may be for an answer from the cache. 0: the cache
	// is not used.
	MaxStaleness time.Duration
	// Memory is the size of the cache in bytes; at least [answercache.MinSize] is used.
	Memory int
}

// Deps are the dependencies of a [Handler]. All are required.
type Deps struct {
	Store    bridge.Store
	Log      *slog.Logger
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Handler serves /lookup and /userinfo. It is safe for concurrent use.
type Handler struct {
	config   Config
	deps     Deps
	cache    *answercache.Cache
	feed     *feedReader
	lastUsed *lastUsed
	metrics  *metrics
	buffers  sync.Pool // of *buffers
}

// New returns a handler. Until its [Handler.Run] is called, it answers nothing from the cache and does not record
// when links were used. It fails with [answercache.ErrMemory].
func New(config Config, deps Deps) (*Handler, error) {
	cache, err := answercache.New(config.Memory)
	if err != nil {
		return nil, err
	}
	h := &Handler{config: config, deps: deps, cache: cache, lastUsed: newLastUsed(deps)}
	h.feed = newFeedReader(deps, config.MaxStaleness, cache)
	h.metrics = newMetrics(deps, h.feed, cache)
	h.buffers.New = func() any { return newBuffers() }
	deps.Store.OnRevoke(func(linkIDs []string) { cache.Revoke(linkIDs...) })
	return h, nil
}

// Run reads the feed of revocations and records when links were used, until the context ends. It returns an error
// only if the process must be restarted: [bridge.ErrStoreReplaced].
func (h *Handler) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { h.lastUsed.run(ctx) })
	err := h.feed.run(ctx)
	cancel()
	group.Wait()
	return err
}

// StoreOutOfReach reports whether the store has been out of reach for so long that nothing is answered from the cache
// any more.
func (h *Handler) StoreOutOfReach() bool {
	age, _ := h.feed.age(h.deps.Now())
	return age >= h.config.MaxStaleness
}
