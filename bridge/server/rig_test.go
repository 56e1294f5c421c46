package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

const (
	vendorID      = "M2AAAAAAAAAAAA"
	backendID     = "pizza-backend"
	backendSecret = "0123456789abcdef0123456789abcdef"
	otherSecret   = "fedcba9876543210fedcba9876543210"
)

var ada = upstreamtest.Person{
	Subject: "a2b4c6", Login: "ada", Password: "correct horse", GivenName: "Ada", FamilyName: "Lovelace",
	Email: "ada@contoso.com", EmailVerified: true, Groups: []string{"alexa-users", "engineering"},
}

// rig is a whole bridge with a real provider behind it and a real database file under it, reached over HTTP.
type rig struct {
	*testing.T
	provider *upstreamtest.Provider
	skill    *bridge.Skill
	config   server.Config
	database string
	origin   string
	clock    *clock
	log      *logBuffer

	ringSecrets [][]byte

	mu      sync.Mutex
	store   bridge.Store
	server  *server.Server
	http    *http.Server
	handler atomic.Pointer[http.Handler]
	secrets []string // that must not be in the log, the metrics or the database
}

// newRig starts a rig. Each change is made to the configuration before the bridge starts.
func newRig(t *testing.T, changes ...func(*rig)) *rig {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		T:        t,
		database: filepath.Join(t.TempDir(), "bridge.db"),
		origin:   "http://" + listener.Addr().String(),
		clock:    &clock{},
		log:      &logBuffer{},

		ringSecrets: [][]byte{bytes.Repeat([]byte{7}, keys.SecretSize)},
	}
	r.provider, err = upstreamtest.Start(upstreamtest.Config{
		Name:    "Contoso",
		Clients: []upstreamtest.Client{{ID: "alexa-bridge", Secret: "upstream-secret", RedirectURI: server.CallbackURI(r.origin, "corp")}},
		People:  []upstreamtest.Person{ada},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.provider.Close() })
	r.skill = &bridge.Skill{
		ClientID: "pizza", Name: "Contoso Pizza", Provider: "corp", Consent: true,
		Grants:       []bridge.Grant{bridge.GrantImplicit},
		RedirectURIs: alexa.RedirectURIs(vendorID),
		Scopes:       []string{"orders", "menu"},
		Claims:       []string{"email", "name", "groups"},
	}
	other := &bridge.Skill{
		ClientID: "lights", Name: "Contoso Lights", Provider: "corp", Consent: true,
		Grants: []bridge.Grant{bridge.GrantImplicit}, RedirectURIs: alexa.RedirectURIs(vendorID),
	}
	r.config = server.Config{
		PublicURL: r.origin,
		Keys:      keys.NewRing(r.ringSecrets...),
		Providers: []upstream.Config{{
			ID: "corp", Issuer: r.provider.Issuer(), ClientID: "alexa-bridge", ClientSecret: "upstream-secret",
			Scopes: []string{"openid", "profile", "email"}, Timeout: 5 * time.Second,
		}},
		Skills: []*bridge.Skill{r.skill, other},
		Backends: []*bridge.Backend{
			{ID: backendID, Secrets: []bridge.Secret{bridge.NewSecret(backendSecret)}, Skills: []string{"pizza"}},
			{ID: "lights-backend", Secrets: []bridge.Secret{bridge.NewSecret(otherSecret)}, Skills: []string{"lights"}},
		},
		MaxStaleness: 30 * time.Second,
	}
	for _, change := range changes {
		change(r)
	}
	r.secrets = append(r.secrets, backendSecret, otherSecret, "upstream-secret", ada.Password)
	r.start(listener)
	t.Cleanup(func() {
		r.stop()
		r.noSecrets("the log", r.log.String())
	})
	return r
}

func (r *rig) start(listener net.Listener) {
	r.Helper()
	store, err := sqlstore.Open(r.Context(), sqlstore.Options{Driver: "sqlite", DSN: r.database, Create: true})
	if err != nil {
		r.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.server, err = server.New(r.config, server.Deps{Store: store, Log: log, Now: r.clock.Now})
	if err != nil {
		r.Fatal(err)
	}
	r.store = store
	r.handler.Store(&r.server.Public)
	serve := func(w http.ResponseWriter, q *http.Request) { (*r.handler.Load()).ServeHTTP(w, q) }
	r.http = &http.Server{Handler: http.HandlerFunc(serve), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}
	go r.http.Serve(listener)
}

func (r *rig) stop() {
	r.http.Close()
	r.store.Close()
}

// restart stops the bridge and starts another one on the same database and address, with another key ring in front if
// wanted.
func (r *rig) restart() {
	r.Helper()
	r.stop()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections() // which lead to the one that stopped
	var listener net.Listener
	var err error
	for range 100 {
		if listener, err = net.Listen("tcp", strings.TrimPrefix(r.origin, "http://")); err == nil {
			break
		}
	}
	if err != nil {
		r.Fatal(err)
	}
	r.start(listener)
}

func (r *rig) links() []bridge.Link {
	r.Helper()
	links, err := r.store.Links(r.Context(), bridge.LinkFilter{})
	if err != nil {
		r.Fatal(err)
	}
	return links
}

func (r *rig) wantLinks(n int) {
	r.Helper()
	if got := len(r.links()); got != n {
		r.Fatalf("%d links, want %d", got, n)
	}
}

func (r *rig) metrics() string {
	recorder := httptest.NewRecorder()
	r.server.Admin.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

func (r *rig) wantMetric(line string) {
	r.Helper()
	if !strings.Contains(r.metrics(), line+"\n") {
		r.Errorf("no metric %s in:\n%s", line, r.metrics())
	}
}

// secret notes a text that must never turn up where it could be read.
func (r *rig) secret(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, text)
}

func (r *rig) noSecrets(where, text string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, secret := range r.secrets {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if len(form) >= 8 && strings.Contains(text, form) {
				r.Errorf("%s holds a secret: %s", where, form)
			}
		}
	}
}

// clock is the wall clock, put forward.
type clock struct {
	ahead atomic.Int64
	held  atomic.Pointer[time.Time]
}

func (c *clock) Now() time.Time {
	now := time.Now()
	if held := c.held.Load(); held != nil {
		now = *held
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

// hold makes the clock stand still, so that only the test moves it.
func (c *clock) hold() {
	now := time.Now()
	c.held.Store(&now)
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// wantLogged checks that one line of the log has all these fields.
func (r *rig) wantLogged(fields map[string]any) {
	r.Helper()
	for line := range strings.Lines(r.log.String()) {
		var logged map[string]any
		if json.Unmarshal([]byte(line), &logged) != nil {
			continue
		}
		matches := true
		for name, value := range fields {
			matches = matches && logged[name] == value
		}
		if matches {
			return
		}
	}
	r.Errorf("no line with %v in the log:\n%s", fields, r.log)
}

func (r *rig) discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// runBackground begins the work in the background and ends it at once, which finishes what was left to do.
func (r *rig) runBackground() {
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	r.server.Run(ctx)
}

// restartWithNewKey restarts with a fresh secret in front of those there are.
func (r *rig) restartWithNewKey() {
	r.Helper()
	r.ringSecrets = append([][]byte{bytes.Repeat([]byte{byte(len(r.ringSecrets) + 50)}, keys.SecretSize)}, r.ringSecrets...)
	r.config.Keys = keys.NewRing(r.ringSecrets...)
	r.restart()
}

// replaceStore puts another store under the running bridge.
func (r *rig) replaceStore(store bridge.Store) {
	r.Helper()
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	replaced, err := server.New(r.config, server.Deps{Store: store, Log: log, Now: r.clock.Now})
	if err != nil {
		r.Fatal(err)
	}
	r.server = replaced
	r.handler.Store(&replaced.Public)
}
