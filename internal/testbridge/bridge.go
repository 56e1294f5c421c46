// Package testbridge starts a whole bridge for tests: the server with a real OpenID Provider beside it and a real
// SQLite file under it, reached over HTTP on a loopback port. The test owns the clock and reads the log. When the
// test ends, a secret in the log fails it.
package testbridge

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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

// The parties that every bridge has. BackendID looks up tokens of the skill "pizza", and LightsBackendID those of the
// skill "lights". ClientID and ClientSecret are the bridge's own at the provider "corp".
const (
	VendorID        = "M2AAAAAAAAAAAA" // of the skills' developer at Amazon
	BackendID       = "pizza-backend"
	BackendSecret   = "0123456789abcdef0123456789abcdef"
	LightsBackendID = "lights-backend"
	LightsSecret    = "fedcba9876543210fedcba9876543210"
	ClientID        = "alexa-bridge"
	ClientSecret    = "upstream-secret"
)

// Ada can sign in at the provider. Her groups are alexa-users and engineering.
func Ada() upstreamtest.Person {
	return upstreamtest.Person{
		Subject: "a2b4c6", Login: "ada", Password: "correct horse", GivenName: "Ada", FamilyName: "Lovelace",
		Email: "ada@contoso.com", EmailVerified: true, Groups: []string{"alexa-users", "engineering"},
	}
}

// Hedy can sign in at the provider too, and shares no group with Ada.
func Hedy() upstreamtest.Person {
	return upstreamtest.Person{
		Subject: "d8e0f2", Login: "hedy", Password: "frequency hopping", GivenName: "Hedy", FamilyName: "Lamarr",
		Email: "hedy@contoso.com", EmailVerified: true, Groups: []string{"inventors"},
	}
}

// Bridge is a running bridge. Its fields may be changed before it starts (see [Start]) and before a [Bridge.Restart].
type Bridge struct {
	testing.TB
	Provider *upstreamtest.Provider // started before the bridge, unless the change sets an issuer
	Config   server.Config
	Deps     server.Deps   // but for the store, the log and the clock
	Skill    *bridge.Skill // Config.Skills[0], the skill "pizza": implicit grant, consent page
	Database string        // the SQLite file
	Clock    *Clock
	LogLevel slog.Level // Debug, unless changed
	// WrapProvider wraps the handler of the provider; nil: it does not.
	WrapProvider func(http.Handler) http.Handler

	Origin string          // the address of the bridge on this machine
	Logs   *Log            // what the bridge logged, JSON lines
	Store  *sqlstore.Store // the database, also under a store from [Bridge.ReplaceStore]
	Server *server.Server

	keys    [][]byte
	handler atomic.Pointer[http.Handler]
	mu      sync.Mutex
	secrets []string
}

// Start starts a bridge, which stops when the test ends. The change is made before the start.
func Start(tb testing.TB, change func(*Bridge)) *Bridge {
	tb.Helper()
	b := &Bridge{
		TB: tb, Database: filepath.Join(tb.TempDir(), "bridge.db"), Clock: &Clock{}, Logs: &Log{}, LogLevel: slog.LevelDebug,
		keys: [][]byte{bytes.Repeat([]byte{7}, keys.SecretSize)},
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*b.handler.Load()).ServeHTTP(w, r)
	}))
	b.Origin = "http://" + web.Listener.Addr().String()
	b.Config = b.defaultConfig()
	b.Skill = b.Config.Skills[0]
	change(b)
	if b.Config.Providers[0].Issuer == "" {
		b.startProvider()
	}
	web.Config.ErrorLog = slog.NewLogLogger(b.logger().Handler(), slog.LevelError)
	b.KeepSecret(BackendSecret, LightsSecret, ClientSecret, Ada().Password, Hedy().Password)
	CreateDatabase(tb, b.Database)
	b.open()
	web.Start()
	tb.Cleanup(func() {
		web.Close()
		b.Store.Close()
		b.CheckSecrets("the log", b.Logs.String())
	})
	return b
}

// startProvider starts an OpenID Provider that knows Ada, Hedy and the bridge.
func (b *Bridge) startProvider() {
	b.Helper()
	redirectURI := server.CallbackURI(b.Config.PublicURL, "corp")
	client := upstreamtest.Client{ID: ClientID, Secret: ClientSecret, RedirectURI: redirectURI,
		LogoutURI: server.BackChannelLogoutURI(b.Config.PublicURL, "corp")}
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name: "Contoso", Clients: []upstreamtest.Client{client}, People: []upstreamtest.Person{Ada(), Hedy()},
		Wrap: b.WrapProvider,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { provider.Close() })
	b.Provider, b.Config.Providers[0].Issuer = provider, provider.Issuer()
}

func (b *Bridge) defaultConfig() server.Config {
	pizza := &bridge.Skill{
		ClientID: "pizza", Name: "Contoso Pizza", Provider: "corp", Consent: true,
		Grants: []bridge.Grant{bridge.GrantImplicit}, RedirectURIs: alexa.RedirectURIs(VendorID),
		Scopes: []string{"orders", "menu"}, Claims: []string{"email", "name", "groups"},
	}
	lights := &bridge.Skill{
		ClientID: "lights", Name: "Contoso Lights", Provider: "corp", Consent: true,
		Grants: []bridge.Grant{bridge.GrantImplicit}, RedirectURIs: alexa.RedirectURIs(VendorID),
	}
	return server.Config{
		PublicURL: b.Origin,
		Keys:      keys.NewRing(b.keys...),
		Providers: []upstream.Config{{
			ID: "corp", ClientID: ClientID, ClientSecret: ClientSecret,
			Scopes: []string{"openid", "profile", "email"}, Timeout: 5 * time.Second,
		}},
		Skills: []*bridge.Skill{pizza, lights},
		Backends: []*bridge.Backend{
			{ID: BackendID, Secrets: []bridge.Secret{bridge.NewSecret(BackendSecret)}, Skills: []string{"pizza"}},
			{ID: LightsBackendID, Secrets: []bridge.Secret{bridge.NewSecret(LightsSecret)}, Skills: []string{"lights"}},
		},
		MaxStaleness: 30 * time.Second,
	}
}

func (b *Bridge) open() {
	b.Helper()
	store, err := sqlstore.Open(context.Background(),
		sqlstore.Options{Driver: sqlstore.SQLite, DSN: b.Database, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Store = store
	b.ReplaceStore(store)
}

// ReplaceStore puts another store under the running bridge, with the configuration as it is now.
func (b *Bridge) ReplaceStore(store bridge.Store) {
	b.Helper()
	deps := b.Deps
	deps.Store, deps.Log, deps.Now = store, b.logger(), b.Clock.Now
	replaced, err := server.New(b.Config, deps)
	if err != nil {
		b.Fatal(err)
	}
	b.Server = replaced
	b.handler.Store(&replaced.Public)
}

// Restart replaces the server by a new one, which shares with it the database, the address and the configuration.
func (b *Bridge) Restart() {
	b.Helper()
	b.Store.Close()
	b.open()
}

// RestartWithNewKey is [Bridge.Restart] with a new secret in front of the key ring.
func (b *Bridge) RestartWithNewKey() {
	b.Helper()
	b.keys = append([][]byte{bytes.Repeat([]byte{byte(len(b.keys) + 50)}, keys.SecretSize)}, b.keys...)
	b.Config.Keys = keys.NewRing(b.keys...)
	b.Restart()
}

// RunBackground starts [server.Server.Run]. The function returned stops it, and waits until it has finished.
func (b *Bridge) RunBackground() (stop func()) {
	running := b.Server
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { running.Run(ctx) })
	stop = func() {
		cancel()
		group.Wait()
	}
	b.Cleanup(stop)
	return stop
}

// Within lets failures count for a subtest, until that ends.
func (b *Bridge) Within(sub testing.TB) {
	outer := b.TB
	b.TB = sub
	sub.Cleanup(func() { b.TB = outer })
}

func (b *Bridge) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b.Logs, &slog.HandlerOptions{Level: b.LogLevel}))
}

// Clock is the wall clock, moved forward by the test.
type Clock struct {
	mu    sync.Mutex
	held  time.Time // zero: follows the wall clock
	ahead time.Duration
}

// Now returns the time of this clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held.IsZero() {
		return time.Now().Add(c.ahead)
	}
	return c.held.Add(c.ahead)
}

// Hold stops the clock. From then on only [Clock.Advance] moves it.
func (c *Clock) Hold() {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.ahead = now, 0
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
