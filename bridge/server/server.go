// Package server mounts the endpoints: the public handler, the admin handler and the work in the background. It opens
// no port and no database, so that it can be mounted in another program.
package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/admin"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/authorize"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/events"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/introspect"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/logout"
	"alexa-oidc-bridge/bridge/internal/people"
	"alexa-oidc-bridge/bridge/internal/recheck"
	"alexa-oidc-bridge/bridge/internal/scim"
	"alexa-oidc-bridge/bridge/internal/token"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Config says what to serve. It must be valid: package config checks what a person wrote.
type Config struct {
	PublicURL string // the origin by which Alexa and browsers reach us, without a slash at the end
	Keys      *keys.Ring
	Providers []upstream.Config // their RedirectURI and Offline are set by New
	// Accounts says by which ways a provider, by its id, tells that an account ended. Without an entry: by none.
	Accounts     map[string]bridge.AccountPolicy
	Skills       []*bridge.Skill
	Backends     []*bridge.Backend
	AdminTokens  []bridge.AdminToken // of the admin API; none: there is none
	MaxStaleness time.Duration       // how long lookups are answered from the cache while the store is out of reach
	Memory       int                 // size of the cache of lookup responses in bytes; at least 1 MiB is used
	Templates    fs.FS               // replaces embedded pages; nil: none
	Operator     Operator            // shown on every page
	// TrustedProxies are the networks of reverse proxies whose X-Forwarded-For is believed, for limits and the log.
	TrustedProxies []netip.Prefix
	Limits         Limits
	// EndedRetention is how long a link is kept after it ended; see [bridge.Sweep]. 0: for ever.
	EndedRetention time.Duration
	// AuditRetention is how long an audit record is kept. 0: for ever.
	AuditRetention time.Duration
}

// Limits bound what one address can do; 0: no limit. Addresses of this machine and of private networks have none unless
// they are trusted proxies: everybody may come through them.
type Limits struct {
	RequestsPerMinute int // of pages, which cost something without authentication
	FailuresPerMinute int // failed authentications, and codes that a provider refuses
}

// Operator is who runs the server. Both fields may be empty.
type Operator struct {
	Name string
	URL  string // http or https; empty if Name is empty
}

// Deps are the dependencies of a [Server].
type Deps struct {
	Store bridge.Store
	Log   *slog.Logger
	Now   func() time.Time // nil: time.Now
	// Collectors are metrics of the program that the bridge is mounted in, for the admin handler.
	Collectors []prometheus.Collector
	// Counters has what the server counts. A server that takes the place of another one goes on counting in the same. nil:
	// one of its own.
	Counters *prometheus.Registry
	// AlexaTransport fetches the certificates by which Alexa signs events, and AlexaRoots are the authorities that are
	// trusted for them. Tests set them to those of a [alexa-oidc-bridge/bridge/alexa/simulator.Signer]. nil:
	// http.DefaultTransport, and the authorities of the system.
	AlexaTransport http.RoundTripper
	AlexaRoots     *x509.CertPool
}

// Server is the program without its ports. Create it with [New].
//
// Its configuration does not change. A program that gets another one makes another server, with the same Deps, and puts
// it in the place of the first without dropping a request: it calls [Server.Run] of the new server, waits for
// [Server.WaitReady], passes new requests to the new handlers, and calls [Server.Retire] of the old server. When the
// requests that the old one has begun are finished, it calls [Server.Finish], and ends the context of the old Run.
type Server struct {
	Public http.Handler // for Alexa, browsers and backends
	Admin  http.Handler // for the operator's machines only

	deps       Deps
	pages      *templates.Pages
	errors     httperror.Responder
	authorize  *authorize.Handler
	recheck    *recheck.Rechecker
	introspect *introspect.Handler
	token      *token.Handler
	scim       *scim.Handler
	logout     *logout.Handler
	people     *people.Handler
	admin      *admin.Handler
	events     *events.Handler
	upstreams  map[string]*upstream.Provider
	skillNames []string // for the landing page
	retention  retention
	policies   map[string]bridge.AccountPolicy // by provider
	registry   *prometheus.Registry
	limits     limits
	retired    context.Context // ends with Retire, or Finish
	endWork    func()
	worked     chan struct{} // closed when the work in the background has ended
}

// retention is how long is kept what has ended: links, and audit records.
type retention struct{ ended, audit time.Duration }

// ErrMemory is returned by [New] when the operating system does not provide Config.Memory bytes.
var ErrMemory = answercache.ErrMemory

// New returns a server. It fails when a page in Config.Templates is invalid, and with [ErrMemory].
func New(config Config, deps Deps) (*Server, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Counters == nil {
		deps.Counters = prometheus.NewRegistry()
	}
	pages, err := templates.New(config.Templates, templates.Operator(config.Operator))
	if err != nil {
		return nil, err
	}
	s := &Server{
		deps:  deps,
		pages: pages,
		errors: httperror.Responder{
			Pages: pages, Log: deps.Log, Sampler: httperror.NewSampler(deps.Now), TrustedProxies: config.TrustedProxies,
			Rejections: limit.NewPace(rejectionsPerSecond, longestRejection),
		},
		upstreams: map[string]*upstream.Provider{},
		retention: retention{config.EndedRetention, config.AuditRetention},
		policies:  config.Accounts,
		registry:  prometheus.NewRegistry(),
		worked:    make(chan struct{}),
	}
	s.retired, s.endWork = context.WithCancel(context.Background())
	s.limits = newLimits(config, deps.Log, deps.Now, deps.Counters)
	s.registry.MustRegister(deps.Collectors...)
	s.registry.MustRegister(collectors.NewGoCollector())
	s.registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, skill := range config.Skills {
		s.skillNames = append(s.skillNames, skill.Name)
	}
	for _, provider := range config.Providers {
		provider.Offline = config.Accounts[provider.ID].Offline
		provider.RedirectURI = CallbackURI(config.PublicURL, provider.ID)
		s.upstreams[provider.ID] = upstream.New(provider, deps.Now)
	}
	if err := s.newHandlers(config); err != nil {
		return nil, err
	}
	s.Public, s.Admin = s.publicHandler(), s.adminHandler()
	return s, nil
}

// CallbackURI returns the redirect URI to be registered at a provider.
func CallbackURI(publicURL, providerID string) string {
	return fmt.Sprintf("%s/callback/%s", publicURL, providerID)
}

// WaitReady waits until the server knows which links were revoked, so that it may answer lookups from memory. Call
// [Server.Run] before. The error is that of the context.
func (s *Server) WaitReady(ctx context.Context) error { return s.introspect.WaitReady(ctx) }

// Retire tells the server that another one on the same store has taken its place. It frees the memory of cached lookup
// responses, logs no more revocations, and begins no more rechecks, which its configuration would decide. Requests that
// it has begun end as ever, with lookups from the store.
func (s *Server) Retire() {
	s.endWork()
	s.introspect.Retire()
}

// Finish ends the work in the background: it begins none, such as a recheck, and waits until what has begun has ended,
// or the context. A question to a provider that is cut off loses its answer, which may have the only refresh token that
// is good from then on. Call Run before. Requests are served as ever.
func (s *Server) Finish(ctx context.Context) {
	s.endWork()
	select {
	case <-s.worked:
	case <-ctx.Done():
	}
}

func (s *Server) newHandlers(config Config) (err error) {
	deps := endpoint.Deps{
		PublicURL: config.PublicURL,
		Clients:   newRegistry(config, s.upstreams),
		Store:     s.deps.Store,
		Log:       s.deps.Log,
		Now:       s.deps.Now,
		Failures:  s.limits.failures,
		Counters:  s.deps.Counters,
		Registry:  s.registry,

		TrustedProxies: config.TrustedProxies,
	}
	s.recheck = recheck.New(recheck.Deps{Deps: deps, Upstreams: s.upstreams, Keys: config.Keys, Sampler: s.errors.Sampler,
		Checked: func(linkID string) { s.introspect.ReadAgain(linkID) }})
	deps.Used = s.recheck.Used
	s.people = people.New(people.Deps{
		Deps: deps, Keys: config.Keys, Pages: s.pages, Sampler: s.errors.Sampler, Providers: providerIDs(config),
		SignIn: func(w http.ResponseWriter, r *http.Request, provider string, another bool) error {
			return s.authorize.SignIn(w, r, provider, another)
		},
	})
	s.authorize = authorize.New(authorize.Deps{
		Deps: deps, Upstreams: s.upstreams, Keys: config.Keys, Pages: s.pages, Sampler: s.errors.Sampler,
		FailedExchanges: s.limits.failedExchanges, SignedIn: s.people.SignedIn,
	})
	s.token = token.New(deps)
	s.scim = scim.New(deps)
	s.logout = logout.New(logout.Deps{Deps: deps, Upstreams: s.upstreams})
	s.admin = admin.New(admin.Deps{Deps: deps, Tokens: config.AdminTokens})
	s.events = events.New(
		events.Deps{Deps: deps, Transport: s.deps.AlexaTransport, Roots: s.deps.AlexaRoots})
	s.introspect, err = introspect.New(
		introspect.Deps{Deps: deps, MaxStaleness: config.MaxStaleness, Memory: config.Memory, Sampler: s.errors.Sampler})
	return err
}
