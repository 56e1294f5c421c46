package logout

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/upstream"
)

// Deps are the dependencies of a [Handler].
type Deps struct {
	endpoint.Deps
	Upstreams map[string]*upstream.Provider // by id
}

// Handler serves the endpoints of all providers. It is safe for concurrent use.
type Handler struct {
	Deps
	logouts, revocations *prometheus.CounterVec
}

// New returns a handler.
func New(deps Deps) *Handler {
	counter := func(name, help string) *prometheus.CounterVec {
		return endpoint.Register(deps.Counters,
			prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"provider", "outcome"}))
	}
	return &Handler{
		Deps:    deps,
		logouts: counter("bridge_backchannel_logouts_total", "Back-channel logout requests by provider and outcome."),
		revocations: counter("bridge_global_token_revocations_total",
			"Global Token Revocation requests by provider and outcome."),
	}
}

// provider is a provider as its endpoints need it.
type provider struct {
	*upstream.Provider
	policy bridge.AccountPolicy
}

// Route is the path of an endpoint and its handler for POST.
type Route struct {
	Path  string
	Serve httperror.HandlerFunc
}

// Routes returns the endpoints that are switched on.
func (h *Handler) Routes() []Route {
	var routes []Route
	for _, id := range slices.Sorted(maps.Keys(h.Upstreams)) {
		p := &provider{h.Upstreams[id], h.Clients.AccountPolicy(id)}
		if p.policy.OnLogout != "" {
			routes = append(routes, Route{endpoint.BackChannelLogout + id, h.backChannel(p)})
		}
		if p.policy.UniversalLogout {
			routes = append(routes, Route{endpoint.GlobalTokenRevocation + id, h.globalTokenRevocation(p)})
		}
	}
	return routes
}

// revoke revokes the links of an account, and returns how many.
func (h *Handler) revoke(r *http.Request, p *provider, filter bridge.LinkFilter, by bridge.Revocation) (int, error) {
	if filter.Account == (bridge.Account{}) { // no link has a name that cannot be stored; the filter would match all
		return 0, nil
	}
	ctx, cancel := bridge.WithStoreTimeout(context.WithoutCancel(r.Context())) // the provider may not wait
	defer cancel()
	filter.Provider, filter.Issuer = p.ID(), p.Issuer()
	by.Actor, by.At, by.Origin = bridge.ActorProvider(p.ID()), h.Now(), h.Origin(r)
	revoked, err := h.Store.Revoke(ctx, filter, by)
	return len(revoked), err
}

// tokenHash identifies a JWT among all that were accepted (RFC 7519 §4.1.7). No issuer contains NUL.
func (p *provider) tokenHash(kind, id string) bridge.Hash {
	return bridge.HashOf(kind + "\x00" + p.ID() + "\x00" + p.Issuer() + "\x00" + id)
}
