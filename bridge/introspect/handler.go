package introspect

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
)

// Config says who may look up what.
type Config struct {
	PublicURL string // our origin, without a slash at its end; also our issuer
	Skills    map[string]*bridge.Skill
	Providers map[string]bridge.Provider
	Backends  map[string]*bridge.Backend
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
	config  Config
	deps    Deps
	uses    *uses
	lookups *prometheus.CounterVec
}

// New returns a handler. Its [Handler.Run] must run, or uses are not noted.
func New(config Config, deps Deps) *Handler {
	lookups := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_lookups_total",
		Help: "Lookups by outcome.",
	}, []string{"outcome"})
	deps.Registry.MustRegister(lookups)
	return &Handler{config: config, deps: deps, uses: newUses(), lookups: lookups}
}
