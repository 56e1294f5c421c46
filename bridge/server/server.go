// Package server mounts the endpoints: the public handler, the admin handler and the work in the background. It opens
// no port and no database, so that it can be mounted in another program.
package server

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/authorize"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/introspect"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/recheck"
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
	MaxStaleness time.Duration // how long lookups are answered from the cache while the store is out of reach
	Memory       int           // size of the cache of lookup responses in bytes; at least 1 MiB is used
	Templates    fs.FS         // replaces embedded pages; nil: none
	Operator     Operator      // shown on every page
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
}

// Server is the program without its ports. Create it with [New].
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
	upstreams  map[string]*upstream.Provider
	skillNames []string // for the landing page
	retention  retention
	registry   *prometheus.Registry
	limits     limits
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
		registry:  prometheus.NewRegistry(),
	}
	s.limits = newLimits(config, deps.Log, deps.Now, s.registry)
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

func (s *Server) newHandlers(config Config) (err error) {
	var providers []bridge.Provider
	for id, p := range s.upstreams {
		providers = append(providers, bridge.Provider{
			ID: id, Issuer: p.Issuer(),
			SubjectClaim: p.SubjectClaim(), EmailClaim: p.EmailClaim(), GroupsClaim: p.GroupsClaim(),
		})
	}
	deps := endpoint.Deps{
		PublicURL: config.PublicURL,
		Clients:   clients.New(config.Skills, providers, config.Accounts, config.Backends),
		Store:     s.deps.Store,
		Log:       s.deps.Log,
		Now:       s.deps.Now,
		Failures:  s.limits.failures,
		Registry:  s.registry,

		TrustedProxies: config.TrustedProxies,
	}
	s.recheck = recheck.New(recheck.Deps{Deps: deps, Upstreams: s.upstreams, Keys: config.Keys, Sampler: s.errors.Sampler})
	deps.Used = s.recheck.Used
	s.authorize = authorize.New(authorize.Deps{
		Deps: deps, Upstreams: s.upstreams, Keys: config.Keys, Pages: s.pages, Sampler: s.errors.Sampler,
		FailedExchanges: s.limits.failedExchanges,
	})
	s.token = token.New(deps)
	s.introspect, err = introspect.New(
		introspect.Deps{Deps: deps, MaxStaleness: config.MaxStaleness, Memory: config.Memory, Sampler: s.errors.Sampler})
	return err
}
