package authorize

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Config says whom to link with what.
type Config struct {
	PublicURL string // our origin, without a slash at its end; also our issuer
	Skills    map[string]*bridge.Skill
	Providers map[string]bridge.Provider
	Upstreams map[string]*upstream.Provider // by the same ids
}

// Deps are the live things that a [Handler] works with. All are needed.
type Deps struct {
	Store    bridge.Store
	Keys     *keys.Ring
	Pages    *templates.Pages
	Log      *slog.Logger
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Handler answers /authorize, /callback/{provider} and /consent. It is safe for concurrent use.
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

// log returns a logger whose lines carry what ties them together: the reference that a person may have been given, and the
// flow, when there is one.
func (h *Handler) log(ctx context.Context, f *flow) *slog.Logger {
	log := h.deps.Log.With("ref", reference.FromContext(ctx))
	if f != nil {
		log = log.With("flow", f.id(), "client_id", f.request.ClientID, "provider", f.provider)
	}
	return log
}

// show writes an error page.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, page templates.ErrorPage) {
	page.Reference = string(reference.FromContext(r.Context()))
	if err := h.deps.Pages.Error(w, status, page); err != nil {
		h.log(r.Context(), nil).Warn("page not written", "error", err)
	}
}

// skillOf returns the skill and the provider of a flow, if both are still configured as they were when it began.
func (h *Handler) skillOf(f *flow) (*bridge.Skill, *upstream.Provider, bool) {
	skill, provider := h.config.Skills[f.request.ClientID], h.config.Upstreams[f.provider]
	if skill == nil || provider == nil || skill.Provider != f.provider || !skill.HasGrant(f.grant()) || !skill.HasRedirectURI(f.request.RedirectURI) {
		return nil, nil, false
	}
	return skill, provider, true
}

// refuse ends a flow without a link and tells Alexa so. The reason is for the log and the metrics only.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f *flow, code string, reason bridge.Reason, cause error) {
	h.metrics.refused.WithLabelValues(f.request.ClientID, string(reason)).Inc()
	h.log(r.Context(), f).Warn("not linked", "reason", reason, "error", cause)
	h.cookies.drop(w, f)
	answer := oauth.Errorf(code, "The account was not linked. Reference %s.", reference.FromContext(r.Context()))
	redirect(w, errorAnswer(&f.request, h.config.PublicURL, answer))
}

// storeTimeout bounds how long a person waits for the store until a page says so.
const storeTimeout = 5 * time.Second

func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, storeTimeout)
}
