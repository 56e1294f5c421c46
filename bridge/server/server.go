// Package server puts the rooms together: the public handler, the admin handler and the work in the background. It opens
// no port and no database, so that it can be mounted in another program.
package server

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/authorize"
	"alexa-oidc-bridge/bridge/internal/introspect"
	"alexa-oidc-bridge/bridge/internal/token"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Config says what to serve. It is taken to be sound: who reads it from a person checks it (see package config).
type Config struct {
	PublicURL    string // the origin by which Alexa and browsers reach us, without a slash at its end
	Keys         *keys.Ring
	Providers    []upstream.Config // their RedirectURI is set here
	Skills       []*bridge.Skill
	Backends     []*bridge.Backend
	MaxStaleness time.Duration // how long lookups are answered while the store is out of reach
	Memory       int           // bytes for answers of links in use; the least is 1 MiB
	Templates    fs.FS         // replaces embedded pages; nil: none
}

// Deps are the live things a [Server] works with.
type Deps struct {
	Store bridge.Store
	Log   *slog.Logger
	Now   func() time.Time // nil: time.Now
}

// Server is the program without its ports. Create it with [New].
type Server struct {
	Public http.Handler // for Alexa, browsers and backends
	Admin  http.Handler // for the operator's machines only

	config     Config
	deps       Deps
	pages      *templates.Pages
	authorize  *authorize.Handler
	introspect *introspect.Handler
	token      *token.Handler
	upstreams  map[string]*upstream.Provider
	registry   *prometheus.Registry
}

// ErrMemory is returned by [New] when the operating system does not provide Config.Memory bytes.
var ErrMemory = introspect.ErrMemory

// New returns a server. It fails when a page in Config.Templates cannot be used, and with [ErrMemory].
func New(config Config, deps Deps) (*Server, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	pages, err := templates.New(config.Templates)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:    config,
		deps:      deps,
		pages:     pages,
		upstreams: map[string]*upstream.Provider{},
		registry:  prometheus.NewRegistry(),
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, provider := range config.Providers {
		provider.RedirectURI = CallbackURI(config.PublicURL, provider.ID)
		s.upstreams[provider.ID] = upstream.New(provider, deps.Now)
	}
	if err := s.addRooms(); err != nil {
		return nil, err
	}
	s.Public, s.Admin = s.publicHandler(), s.adminHandler()
	return s, nil
}

// CallbackURI is the redirect URI to be registered at a provider.
func CallbackURI(publicURL, providerID string) string {
	return fmt.Sprintf("%s/callback/%s", publicURL, providerID)
}

func (s *Server) addRooms() (err error) {
	skills := map[string]*bridge.Skill{}
	for _, skill := range s.config.Skills {
		skills[skill.ClientID] = skill
	}
	backends := map[string]*bridge.Backend{}
	for _, backend := range s.config.Backends {
		backends[backend.ID] = backend
	}
	providers := map[string]bridge.Provider{}
	for id, up := range s.upstreams {
		providers[id] = bridge.Provider{ID: id, Issuer: up.Issuer(), SubjectClaim: up.SubjectClaim(), GroupsClaim: up.GroupsClaim()}
	}
	s.authorize = authorize.New(
		authorize.Config{PublicURL: s.config.PublicURL, Skills: skills, Providers: providers, Upstreams: s.upstreams},
		authorize.Deps{Store: s.deps.Store, Keys: s.config.Keys, Pages: s.pages, Log: s.deps.Log, Now: s.deps.Now, Registry: s.registry},
	)
	s.token = token.New(
		token.Config{PublicURL: s.config.PublicURL, Skills: skills, Providers: providers, Backends: backends},
		token.Deps{Store: s.deps.Store, Log: s.deps.Log, Now: s.deps.Now, Registry: s.registry},
	)
	s.introspect, err = introspect.New(
		introspect.Config{PublicURL: s.config.PublicURL, Skills: skills, Providers: providers, Backends: backends,
			MaxStaleness: s.config.MaxStaleness, Memory: s.config.Memory},
		introspect.Deps{Store: s.deps.Store, Log: s.deps.Log, Now: s.deps.Now, Registry: s.registry},
	)
	return err
}

// Run does the work in the background until the context ends, and then finishes what it began.
func (s *Server) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { s.introspect.Run(ctx) })
	group.Go(func() { s.sweep(ctx) })
	for _, provider := range s.upstreams {
		group.Go(func() { s.discover(ctx, provider) })
	}
	group.Wait()
}

const (
	sweepEvery   = 30 * time.Second
	sweepTimeout = 30 * time.Second
	sweepLimit   = 1000 // rows at a time, so that no write waits long for a sweep
)

// sweep removes rows that nothing can need any more.
func (s *Server) sweep(ctx context.Context) {
	swept := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bridge_swept_rows_total",
		Help: "Rows removed from the store because nothing could need them any more.",
	})
	s.registry.MustRegister(swept)
	defer s.registry.Unregister(swept)
	for sleep(ctx, sweepEvery) {
		for {
			removed, err := s.sweepOnce(ctx)
			if err != nil {
				s.deps.Log.Warn("not swept", "error", err)
			}
			swept.Add(float64(removed))
			if removed < sweepLimit {
				break
			}
		}
	}
}

func (s *Server) sweepOnce(ctx context.Context) (removed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	return s.deps.Store.Sweep(ctx, s.deps.Now(), sweepLimit)
}

const (
	discoverFirstRetry = 4 * time.Second // doubled from one to the next
	discoverLastRetry  = 30 * time.Second
	discoverAgain      = time.Hour
)

// discover learns what a provider is before the first person needs it, tries again while it is down, and keeps what is
// known fresh.
func (s *Server) discover(ctx context.Context, provider *upstream.Provider) {
	log := s.deps.Log.With("provider", provider.ID())
	retry := discoverFirstRetry
	for {
		wait := discoverAgain
		if err := provider.Rediscover(ctx); err == nil {
			log.Debug("provider discovered")
			retry = discoverFirstRetry
		} else if ctx.Err() == nil {
			log.Warn("provider not discovered; people who are linked already notice nothing", "error", err)
			wait, retry = retry, min(retry*2, discoverLastRetry)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// sleep waits, and says whether to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
