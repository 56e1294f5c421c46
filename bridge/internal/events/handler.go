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
	// verifications bounds those that run at once: a stranger can make each of them fetch a certificate.
	verifications *limit.Slots
	events        *prometheus.CounterVec
}

// maxVerifications is as many as may fetch at once, so that no address has all of them to itself.
const maxVerifications = 4

// New returns a handler.
func New(deps Deps) *Handler {
	return &Handler{
		Deps: deps,
		verifier: &alexa.Verifier{
			SkillIDs: deps.Clients.AlexaSkillIDs(), Transport: deps.Transport, Roots: deps.Roots, Now: deps.Now,
		},
		verifications: limit.NewSlots(maxVerifications, 32*maxVerifications),
		events: endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_alexa_events_total",
			Help: "Events of skills, by skill, event and outcome.",
		}, []string{"skill", "event", "outcome"})),
	}
}
