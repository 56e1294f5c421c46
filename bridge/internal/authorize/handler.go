package authorize

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Config says who links with what.
type Config struct {
	PublicURL string // our origin and issuer, without a slash at the end
	Clients   *clients.Registry
	Upstreams map[string]*upstream.Provider // by provider id
}

// Deps are the dependencies of a [Handler]. All are required.
type Deps struct {
	Store    bridge.Store
	Keys     *keys.Ring
	Pages    *templates.Pages
	Log      *slog.Logger
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Handler serves /authorize, /callback/{provider} and /consent. It is safe for concurrent use.
type Handler struct {
	config  Config
	deps    Deps
	cookies *cookieJar
	metrics *metrics
	signIns singleflight.Group
}

// New returns a handler.
func New(config Config, deps Deps) *Handler {
	return &Handler{
		config:  config,
		deps:    deps,
		cookies: newCookieJar(deps.Keys, strings.HasPrefix(config.PublicURL, "https://")),
		metrics: newMetrics(deps.Registry),
	}
}

// log returns a logger whose lines carry the reference of the request and the attributes of the flow.
func (h *Handler) log(ctx context.Context, f *flow) *slog.Logger {
	return h.deps.Log.With("ref", reference.FromContext(ctx)).With(f.attrs()...)
}
