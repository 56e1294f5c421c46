package introspect

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
)

// Config says who may look up what, and how long without the store.
type Config struct {
	PublicURL string // our origin, without a slash at its end; also our issuer
	Skills    map[string]*bridge.Skill
	Providers map[string]bridge.Provider
	Backends  map[string]*bridge.Backend
	// MaxStaleness is how old the last reading of the feed may be for an answer from memory. 0: memory never answers.
	MaxStaleness time.Duration
	// Memory is how many bytes may be used for answers; less than 1 MiB count as 1 MiB.
	Memory int
}

// Deps are the live things that a [Handler] works with. All are needed.
type Deps struct {
	Store    bridge.Store
	Log      *slog.Logger
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Handler answers /lookup. It is safe for concurrent use.
type Handler struct {
	config   Config
	deps     Deps
	places   map[string]uint32 // of skills, by which entries name them
	askers   map[string]*asker
	anyone   *asker // who may know of every skill
	known    known
	scratch  sync.Pool
	memory   *memory
	follower *follower
	patience patience
	uses     *uses
	counters counters
}

// New returns a handler. Its [Handler.Run] must run, or it answers nothing from memory and uses are not noted. It fails with
// [ErrMemory].
func New(config Config, deps Deps) (*Handler, error) {
	memory, err := newMemory(config.Memory)
	if err != nil {
		return nil, err
	}
	h := &Handler{config: config, deps: deps, places: map[string]uint32{}, memory: memory, uses: newUses()}
	for _, id := range slices.Sorted(maps.Keys(config.Skills)) {
		h.places[id] = uint32(len(h.places))
	}
	h.askers = h.newAskers()
	h.anyone = &asker{skills: slices.Repeat([]bool{true}, len(h.places))}
	h.scratch.New = func() any { return &scratch{body: make([]byte, 0, 1<<10), answer: make([]byte, 0, 1<<10)} }
	h.follower = newFollower(deps, config.MaxStaleness, h.memory)
	h.counters = newCounters(deps.Registry, h)
	deps.Store.OnRevoke(func(linkIDs []string) { h.memory.end(linkIDs...) })
	return h, nil
}

// Run follows the feed and writes uses down, until the context ends.
func (h *Handler) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { h.follower.run(ctx) })
	group.Go(func() { h.writeUses(ctx) })
	group.Wait()
}

// OutOfReach says whether the store has been out of reach for longer than answers from memory are good.
func (h *Handler) OutOfReach() bool {
	age, _ := h.follower.age(h.deps.Now())
	return age >= h.config.MaxStaleness
}
