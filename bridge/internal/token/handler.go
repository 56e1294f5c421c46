package token

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clients"
)

// Config says whose tokens there are.
type Config struct {
	PublicURL string // our origin and issuer, without a slash at the end
	Clients   *clients.Registry
}

// Deps are the dependencies of a [Handler]. All are required.
type Deps struct {
	Store    bridge.Store
	Log      *slog.Logger
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Handler serves /token, /revoke and the metadata. It is safe for concurrent use.
type Handler struct {
	config   Config
	deps     Deps
	metadata []byte
	requests *prometheus.CounterVec
}

// New returns a handler.
func New(config Config, deps Deps) *Handler {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_token_requests_total",
		Help: "Token requests by skill, grant type and outcome: issued, or the error code.",
	}, []string{"client_id", "grant_type", "outcome"})
	deps.Registry.MustRegister(requests)
	return &Handler{config: config, deps: deps, metadata: encodeMetadata(config), requests: requests}
}
