// Package upstreamtest is a real OpenID Provider in process, with people who sign in by a password. The protocol is that
// of zitadel/oidc; the people, and the faults that one can order, are ours. It is for tests and for the demo: it keeps
// passwords in clear and shows them.
package upstreamtest

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
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
	Claims        map[string]any // further claims in userinfo
}

// Client is the relying party.
type Client struct {
	ID          string
	Secret      string // empty: a public client, which needs PKCE
	RedirectURI string
}

// Config says who there is.
type Config struct {
	// Around, when set, wraps the provider's handler, so that a demo can show what comes by.
	Around  func(http.Handler) http.Handler
	Name    string // of the company, for the login page
	Clients []Client
	People  []Person
}

// Provider is a running provider. It is safe for concurrent use.
type Provider struct {
	issuer  string
	name    string
	server  *http.Server
	storage *storage.Storage
	op      *op.Provider

	listener net.Listener
	down     atomic.Bool
	requests sync.Map // path -> *atomic.Int64

	mu       sync.Mutex
	people   []Person
	disabled map[string]bool // by login
}

// Start starts a provider that runs until Close.
func Start(config Config) (*Provider, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Provider{
		// Real issuers end in a slash or not; this one does, so that a comparison that trims is found out.
		issuer:   "http://" + listener.Addr().String() + "/",
		name:     config.Name,
		people:   slices.Clone(config.People),
		disabled: map[string]bool{},
	}
	if err := p.build(config.Clients); err != nil {
		listener.Close()
		return nil, err
	}
	var handler http.Handler = p
	if config.Around != nil {
		handler = config.Around(p)
	}
	p.listener = listener
	p.server = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go p.server.Serve(listener)
	return p, nil
}

func (p *Provider) build(clients []Client) error {
	known := map[string]*storage.Client{}
	for _, client := range clients {
		if client.Secret == "" {
			known[client.ID] = storage.NativeClient(client.ID, client.RedirectURI)
		} else {
			known[client.ID] = storage.WebClient(client.ID, client.Secret, client.RedirectURI)
		}
	}
	p.storage = storage.NewStorageWithClients(peopleStore{p}, known)
	var err error
	p.op, err = op.NewProvider(&op.Config{
		CryptoKey:             [32]byte([]byte(rand.Text() + rand.Text())),
		CryptoKeyId:           "key",
		CodeMethodS256:        true,
		AuthMethodPost:        true,
		GrantTypeRefreshToken: true,
	}, withGroups{p.storage, p}, op.StaticIssuer(p.issuer), op.WithAllowInsecure(),
		op.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	return err
}

// Issuer is the provider's issuer.
func (p *Provider) Issuer() string { return p.issuer }

// Close stops the provider.
func (p *Provider) Close() error {
	defer p.listener.Close() // which Serve may not have taken over yet
	return p.server.Close()
}

// SetDown cuts every connection without an answer, until it is called with false.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

// SetDisabled takes an account out of service, or puts it back.
func (p *Provider) SetDisabled(login string, disabled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disabled[login] = disabled
}

// AddPerson adds somebody who can sign in.
func (p *Provider) AddPerson(person Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people = append(p.people, person)
}

// SetPerson changes what the provider says of the person with that login.
func (p *Provider) SetPerson(person Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.people {
		if p.people[i].Login == person.Login {
			p.people[i] = person
		}
	}
}

// Requests counts the requests that came for a path.
func (p *Provider) Requests(path string) int {
	count, _ := p.requests.LoadOrStore(path, new(atomic.Int64))
	return int(count.(*atomic.Int64).Load())
}

// ServeHTTP serves the provider's endpoints and its login page.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		panic(http.ErrAbortHandler)
	}
	count, _ := p.requests.LoadOrStore(r.URL.Path, new(atomic.Int64))
	count.(*atomic.Int64).Add(1)
	switch r.Method + " " + r.URL.Path {
	case "GET " + loginPath:
		p.showLogin(w, r.FormValue("authRequestID"), "")
	case "POST " + loginPath:
		p.takeLogin(w, r)
	default:
		p.op.ServeHTTP(w, r)
	}
}

// person finds somebody who is not disabled.
func (p *Provider) person(matches func(Person) bool) (Person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.people, matches)
	if i < 0 || p.disabled[p.people[i].Login] {
		return Person{}, false
	}
	return p.people[i], true
}

// peopleStore shows our people to the storage of zitadel/oidc.
type peopleStore struct{ provider *Provider }

func (s peopleStore) GetUserByID(subject string) *storage.User {
	return s.user(func(person Person) bool { return person.Subject == subject })
}

func (s peopleStore) GetUserByUsername(login string) *storage.User {
	return s.user(func(person Person) bool { return person.Login == login })
}

func (s peopleStore) ExampleClientID() string { return "unused" }

func (s peopleStore) user(matches func(Person) bool) *storage.User {
	person, found := s.provider.person(matches)
	if !found {
		return nil
	}
	return &storage.User{
		ID: person.Subject, Username: person.Login, Password: person.Password,
		FirstName: person.GivenName, LastName: person.FamilyName,
		Email: person.Email, EmailVerified: person.EmailVerified,
	}
}

// withGroups adds groups and further claims to userinfo.
type withGroups struct {
	*storage.Storage
	provider *Provider
}

func (s withGroups) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	person, found := s.provider.person(func(person Person) bool { return person.Subject == subject })
	if !found {
		return errors.New("account disabled")
	}
	if person.Groups != nil {
		info.AppendClaims("groups", person.Groups)
	}
	for name, value := range person.Claims {
		info.AppendClaims(name, value)
	}
	return nil
}
