package token

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Config says whose tokens there are.
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

// Handler answers /token, /revoke and the metadata. It is safe for concurrent use.
type Handler struct {
	config   Config
	deps     Deps
	metadata []byte
	outcomes *prometheus.CounterVec
}

// New returns a handler.
func New(config Config, deps Deps) *Handler {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_token_requests_total",
		Help: "Token requests by skill, grant type and outcome: issued, or the error code.",
	}, []string{"client_id", "grant_type", "outcome"})
	deps.Registry.MustRegister(outcomes)
	return &Handler{config: config, deps: deps, metadata: metadata(config), outcomes: outcomes}
}

// storeTimeout bounds how long an answer waits for the store, well within what Alexa waits for the answer.
const storeTimeout = 3 * time.Second

func (h *Handler) bounded(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), storeTimeout)
}

// authenticate finds the skill that asks. It never changes anything, so a failed attempt burns nothing.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*bridge.Skill, *oauth.Error) {
	credentials, err := oauth.ReadCredentials(r, form)
	if err != nil {
		return nil, err
	}
	if skill := h.config.Skills[credentials.ID]; skill.HasSecret(credentials.Secret) {
		return skill, nil
	}
	if skill := h.config.Skills[credentials.DecodedID]; skill.HasSecret(credentials.DecodedSecret) {
		return skill, nil
	}
	return nil, oauth.Errorf(oauth.InvalidClient, "The client did not authenticate.")
}

// honours says whether the configuration honours a link of the skill.
func (h *Handler) honours(skill *bridge.Skill) func(*bridge.Link) bool {
	return func(link *bridge.Link) bool { return skill.Refusal(link, h.config.Providers[skill.Provider]) == "" }
}

// fail answers with an OAuth error and the status that belongs to it (RFC 6749 §5.2).
func (h *Handler) fail(w http.ResponseWriter, fault *oauth.Error) {
	status := http.StatusBadRequest
	switch fault.Code {
	case oauth.InvalidClient:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	case oauth.TemporarilyUnavailable:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "2")
	}
	oauth.WriteError(w, status, fault)
}
