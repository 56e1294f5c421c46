package authorize

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Deps are the dependencies of a [Handler]. All are required.
type Deps struct {
	endpoint.Deps
	Upstreams map[string]*upstream.Provider // by provider id
	Keys      *keys.Ring
	Pages     *templates.Pages
	Sampler   *httperror.Sampler // of log lines
	// FailedExchanges limit the codes from one address that a provider refuses, by the id of the provider.
	FailedExchanges map[string]*limit.ByAddress
	// SignedIn takes over when a person has signed in to see their links; see [Handler.SignIn]. The claims of the person
	// are those of the sign-in.
	SignedIn func(w http.ResponseWriter, r *http.Request, person bridge.Identity) error
}

// Handler serves /authorize, /callback/{provider}, /consent and /try/{ticket}. It is safe for concurrent use.
type Handler struct {
	Deps
	cookies *cookieJar
	signIns singleflight.Group

	codes     *limit.Attempts         // that were sent, by flow
	refusals  *limit.Attempts         // that were recorded, by minute and whose they are
	exchanges map[string]*limit.Slots // by provider id

	started, returned, linked, notLinked *prometheus.CounterVec
	noCookie                             prometheus.Counter
}

// New returns a handler.
func New(deps Deps) *Handler {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return endpoint.Register(deps.Counters,
			prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
	}
	h := &Handler{
		Deps:      deps,
		cookies:   newCookieJar(deps.Keys, strings.HasPrefix(deps.PublicURL, "https://")),
		codes:     limit.NewAttempts(maxRememberedFlows),
		refusals:  limit.NewAttempts(maxRememberedFlows),
		exchanges: map[string]*limit.Slots{},
		started: counters("bridge_sign_ins_started_total",
			"Browsers sent to the provider, by skill and provider.", "client_id", "provider"),
		returned: counters("bridge_sign_ins_returned_total",
			"Browsers that the provider sent back, by skill and provider.", "client_id", "provider"),
		linked: counters("bridge_links_made_total",
			"Links made, by skill, provider and grant.", "client_id", "provider", "grant"),
		notLinked: counters("bridge_links_refused_total",
			"Requests of a flow that did not lead to a link, by skill and reason.", "client_id", "reason"),
		noCookie: counters("bridge_callbacks_without_cookie_total",
			"Callbacks from a browser that did not start the sign-in, rejects cookies, or came too late.").WithLabelValues(),
	}
	for id := range deps.Upstreams {
		h.exchanges[id] = limit.NewSlots(maxExchanges, maxExchanges)
	}
	for _, skill := range deps.Clients.Skills() { // from 0, so that a rate can be computed
		h.started.WithLabelValues(skill.ClientID, skill.Provider)
		h.returned.WithLabelValues(skill.ClientID, skill.Provider)
	}
	return h
}

// logPage logs that a page could not be written, if it could not.
func (h *Handler) logPage(r *http.Request, f *flow, err error) {
	h.Sampler.LogPage(r.Context(), h.flowLog(r.Context(), f), err)
}

// logSampled writes a line about a flow that strangers can cause without end.
func (h *Handler) logSampled(ctx context.Context, f *flow, message string, attrs ...any) {
	h.Sampler.Log(ctx, h.flowLog(ctx, f), slog.LevelInfo, message, message, attrs...)
}

// flowLog returns a logger whose lines carry the reference of the request and the attributes of the flow.
func (h *Handler) flowLog(ctx context.Context, f *flow) *slog.Logger {
	return h.Log.With("ref", reference.FromContext(ctx)).With(f.attrs()...)
}
