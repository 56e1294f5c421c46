package events

import (
	"crypto/x509"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/limit"
)

// Deps are the dependencies of a [Handler].
type Deps struct {
	endpoint.Deps
	Transport http.RoundTripper // as of [alexa.Verifier]
	Roots     *x509.CertPool    // as of [alexa.Verifier]
}

// Handler serves the endpoints. It is safe for concurrent use.
type Handler struct {
	Deps
	verifier *alexa.Verifier
	// fetches bounds the verifications for which a certificate must be fetched, which a stranger can cause, and known
	// all others, so that these do not wait for a fetch.
	fetches, known *limit.Slots
	events         *prometheus.CounterVec
}

const (
	maxFetches = 4  // verifications at once that fetch a certificate, of which one network has one
	maxKnown   = 16 // other verifications at once; each takes less than a millisecond
)

// New returns a handler.
func New(deps Deps) *Handler {
	return &Handler{
		Deps: deps,
		verifier: &alexa.Verifier{
			SkillIDs: deps.Clients.AlexaSkillIDs(), Transport: deps.Transport, Roots: deps.Roots, Now: deps.Now,
		},
		fetches: limit.NewSlots(maxFetches, 32*maxFetches),
		known:   limit.NewSlots(maxKnown, 32*maxKnown),
		events: endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_alexa_events_total",
			Help: "Events of skills, by skill, event and outcome.",
		}, []string{"skill", "event", "outcome"})),
	}
}
