// Package upstreamtest runs a real OpenID Provider in process, with people who sign in by password, for tests and for
// the demo. Package zitadel/oidc implements the protocol. Tests can stop the provider and change people. It stores
// passwords in plain text and shows them on its login page.
package upstreamtest

import (
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Person is somebody who can sign in.
type Person struct {
	Subject       string
	Login         string
	Password      string
	GivenName     string
	FamilyName    string
	Email         string
	EmailVerified bool
	Groups        []string
	Claims        map[string]any // further claims of userinfo
	Disabled      bool           // cannot sign in, and their refresh tokens are refused
}

// Client is a relying party.
type Client struct {
	ID          string
	Secret      string // empty for a public client, which must use PKCE
	RedirectURI string
	MoreURIs    []string // further redirect URIs, of servers that share the client
	LogoutURI   string   // where logout tokens are sent; empty: nowhere
}

// Config describes a provider.
type Config struct {
	Name    string // of the company, for the login page
	Clients []Client
	People  []Person
	// Wrap, unless nil, wraps the handler of the provider, for example to record requests.
	Wrap func(http.Handler) http.Handler
}

// Provider is a running provider. It is safe for concurrent use.
type Provider struct {
	issuer   string
	name     string
	clients  []Client
	listener net.Listener
	server   *http.Server
	storage  *storage.Storage
	op       *op.Provider
	down     atomic.Bool

	mu       sync.Mutex
	people   []Person
	requests map[string]int // by path
}

// Start starts a provider on a loopback port. It runs until Close.
func Start(config Config) (*Provider, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Provider{
		// With a slash, as some real issuers, so that a comparison that trims slashes fails.
		issuer:   "http://" + listener.Addr().String() + "/",
		name:     config.Name,
		clients:  slices.Clone(config.Clients),
		listener: listener,
		people:   slices.Clone(config.People),
		requests: map[string]int{},
	}
	if err := p.newOP(config.Clients); err != nil {
		listener.Close()
		return nil, err
	}
	var handler http.Handler = p
	if config.Wrap != nil {
		handler = config.Wrap(p)
	}
	p.server = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go p.server.Serve(listener)
	return p, nil
}

func (p *Provider) newOP(clients []Client) error {
	byID := map[string]*storage.Client{}
	for _, client := range clients {
		redirectURIs := append([]string{client.RedirectURI}, client.MoreURIs...)
		if client.Secret == "" {
			byID[client.ID] = storage.NativeClient(client.ID, redirectURIs...)
		} else {
			byID[client.ID] = storage.WebClient(client.ID, client.Secret, redirectURIs...)
		}
	}
	p.storage = storage.NewStorageWithClients(userStore{p}, byID)
	var err error
	p.op, err = op.NewProvider(&op.Config{
		CryptoKey:             [32]byte([]byte(rand.Text() + rand.Text())),
		CryptoKeyId:           "key",
		CodeMethodS256:        true,
		AuthMethodPost:        true,
		GrantTypeRefreshToken: true,
	}, claimsStorage{p.storage, p}, op.StaticIssuer(p.issuer), op.WithAllowInsecure(),
		op.WithLogger(slog.New(slog.DiscardHandler)))
	return err
}

// Issuer returns the issuer, which ends with a slash.
func (p *Provider) Issuer() string { return p.issuer }

// Close stops the provider.
func (p *Provider) Close() error {
	defer p.listener.Close() // in case Serve has not taken it over yet
	return p.server.Close()
}

// SetDown makes the provider close every connection without a response, or serve again.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

// SetPerson replaces the person with the same login.
func (p *Provider) SetPerson(person Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.people {
		if p.people[i].Login == person.Login {
			p.people[i] = person
		}
	}
}

// Requests returns how many requests for a path were served.
func (p *Provider) Requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[path]
}

// ServeHTTP serves the endpoints of the provider and its login page.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		panic(http.ErrAbortHandler)
	}
	p.mu.Lock()
	p.requests[r.URL.Path]++
	p.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET " + loginPath:
		p.showLogin(w, r.FormValue("authRequestID"), "")
	case "POST " + loginPath:
		p.login(w, r)
	default:
		p.op.ServeHTTP(w, r)
	}
}
