package token

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/limit"
)

// maxPublicRevocations is how many revocation requests without a secret run at once.
const maxPublicRevocations = 8

// Handler serves /token, /revoke and the metadata. It is safe for concurrent use.
type Handler struct {
	endpoint.Deps
	metadata []byte
	requests *prometheus.CounterVec
	// publicRevocations bounds revocation requests that anybody can send, each of which reads from the store.
	publicRevocations *limit.Slots
}

// New returns a handler.
func New(deps endpoint.Deps) *Handler {
	requests := endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_token_requests_total",
		Help: "Token requests by skill, grant type and outcome: issued, or the error code.",
	}, []string{"client_id", "grant_type", "outcome"}))
	return &Handler{Deps: deps, metadata: encodeMetadata(deps), requests: requests,
		publicRevocations: limit.NewSlots(maxPublicRevocations, 4*maxPublicRevocations)}
}

// permits reports whether the configuration permits a link, and the account was checked not too long ago.
func (h *Handler) permits(link *bridge.Link) bool {
	if h.recheckFrom(link, h.Clients.UnknownAt(link)) {
		return false
	}
	return h.Clients.CheckLink(link) == ""
}

// recheckFrom asks for a recheck of a link if a time has come. The zero time never comes.
func (h *Handler) recheckFrom(link *bridge.Link, at time.Time) bool {
	has := !at.IsZero() && !h.Now().Before(at)
	if has {
		h.Used(link.ID, link.Provider.ID)
	}
	return has
}
