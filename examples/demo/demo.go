package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/config"
)

// demo is all parties, each on a loopback port of its own.
type demo struct {
	folder     string // contains the configuration, its secrets and the database
	people     []upstreamtest.Person
	transcript *transcript
	origins    origins
	store      *sqlstore.Store
	signer     *simulator.Signer // of Alexa
	alexa      *fakeAlexa
	backend    *lookup.Client // of the skill
	company    *company
	secrets    secrets
	settings   settings

	listeners listeners
	stops     []func() error // stops everything, in reverse order
}

// origins are the URLs of the parties.
type origins struct {
	Alexa, Bridge, Admin, Provider, Skill string
}

type listeners struct {
	alexa, bridge, admin, skill net.Listener
}

// defaultPeople returns who can sign in. The guest does not meet the skill's allow.
func defaultPeople() []upstreamtest.Person {
	return []upstreamtest.Person{
		{Subject: "248289761001", Login: "ada", Password: "engine", GivenName: "Ada", FamilyName: "Lovelace",
			Email: "ada@contoso.com", EmailVerified: true},
		{Subject: "248289761002", Login: "grace", Password: "compiler", GivenName: "Grace", FamilyName: "Hopper",
			Email: "grace@contoso.com", EmailVerified: true},
		{Subject: "248289761003", Login: "guest", Password: "visitor", GivenName: "Gus", FamilyName: "Guest",
			Email: "gus@fabrikam.com", EmailVerified: true},
	}
}

// startDemo starts all parties. Port 0 is a free port. The bridge logs to log.
func startDemo(port int, log io.Writer) (*demo, error) {
	d := &demo{people: defaultPeople(), transcript: &transcript{}}
	if err := d.start(port, log); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func (d *demo) start(port int, log io.Writer) error {
	var err error
	if d.folder, err = os.MkdirTemp("", "alexa-oidc-bridge-demo-"); err != nil {
		return err
	}
	d.onStop(func() error { return os.RemoveAll(d.folder) })
	if err := d.listen(port); err != nil {
		return err
	}
	if d.secrets, err = writeSecrets(d.folder); err != nil {
		return err
	}
	if d.signer, err = simulator.NewSigner(simulator.SignerConfig{}); err != nil {
		return err
	}
	provider, err := d.startProvider(d.secrets.provider)
	if err != nil {
		return fmt.Errorf("the company's sign-in does not start: %w", err)
	}
	if err := d.startBridge(log); err != nil {
		return fmt.Errorf("the bridge does not start: %w", err)
	}
	d.company = newCompany(provider, newDirectory(d.origins, d.secrets.scim), d.transcript, d.people)
	d.backend = newBackend(d.origins, d.secrets.backend)
	verifier := &alexa.Verifier{SkillIDs: []string{alexaSkillID}, Roots: d.signer.Roots(), Transport: d.signer.Transport()}
	d.serve(d.listeners.skill, d.transcript.record(partySkill, newSkill(verifier, d.backend, skillName)))
	d.alexa = newFakeAlexa(d.origins, d.secrets.skill, d.signer, d.transcript)
	d.serve(d.listeners.alexa, newApp(d))
	return nil
}

// listen opens all ports first, since the configuration of each party contains the URLs of others.
func (d *demo) listen(port int) error {
	for _, party := range []struct {
		listener *net.Listener
		origin   *string
		port     int
	}{
		{&d.listeners.alexa, &d.origins.Alexa, port},
		{&d.listeners.bridge, &d.origins.Bridge, 0},
		{&d.listeners.admin, &d.origins.Admin, 0},
		{&d.listeners.skill, &d.origins.Skill, 0},
	} {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(party.port)))
		if err != nil {
			return fmt.Errorf("%w; choose another -port, or omit it to use a free one", err)
		}
		d.onStop(func() error { return ignoreClosed(listener.Close()) })
		*party.listener, *party.origin = listener, "http://"+listener.Addr().String()
	}
	return nil
}

// startProvider starts the company's sign-in.
func (d *demo) startProvider(secret string) (*upstreamtest.Provider, error) {
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name: "Contoso",
		Clients: []upstreamtest.Client{{ID: providerClientID, Secret: secret,
			RedirectURI: server.CallbackURI(d.origins.Bridge, providerID),
			LogoutURI:   server.BackChannelLogoutURI(d.origins.Bridge, providerID)}},
		People: d.people,
		Wrap:   func(provider http.Handler) http.Handler { return d.transcript.record(partyProvider, provider) },
	})
	if err != nil {
		return nil, err
	}
	d.onStop(provider.Close)
	d.settings.Issuer = provider.Issuer()
	d.origins.Provider = strings.TrimSuffix(provider.Issuer(), "/")
	return provider, nil
}

// startBridge starts the bridge as the serve command does.
func (d *demo) startBridge(log io.Writer) error {
	loaded, err := d.configure()
	if err != nil {
		return err
	}
	options := sqlstore.Options{Driver: loaded.Storage.Driver, DSN: loaded.Storage.DSN, Create: true}
	if d.store, err = sqlstore.Open(context.Background(), options); err != nil {
		return err
	}
	d.onStop(d.store.Close)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: loaded.Log.Level}))
	b, err := server.New(loaded.Server, server.Deps{
		Store: d.store, Log: logger, AlexaRoots: d.signer.Roots(), AlexaTransport: d.signer.Transport(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Run(ctx)
	}()
	d.onStop(func() error {
		cancel()
		<-ended
		return nil
	})
	d.serve(d.listeners.bridge, d.transcript.record(partyBridge, b.Public))
	d.serve(d.listeners.admin, d.transcript.record(partyBridge, b.Admin))
	return nil
}

// configure writes the configuration and loads it as the bridge does.
func (d *demo) configure() (*config.Config, error) {
	d.settings = settings{
		PublicURL:           d.origins.Bridge,
		Listen:              d.listeners.bridge.Addr().String(),
		AdminListen:         d.listeners.admin.Addr().String(),
		Issuer:              d.settings.Issuer,
		SkillID:             alexaSkillID,
		ImplicitRedirectURI: d.origins.implicitRedirectURI(),
		CodeRedirectURI:     d.origins.codeRedirectURI(),
	}
	return d.settings.load(d.folder)
}

// lastLink is a link as the page shows it.
type lastLink struct {
	bridge.Link
	Live   bool
	Person employee // whose it is
}

// lastLink returns the newest live link of the skill; if there is none, the one that ended last; or nil.
func (d *demo) lastLink(ctx context.Context) (*lastLink, error) {
	links, err := d.store.Links(ctx, bridge.LinkFilter{ClientID: skillClientID})
	if err != nil || len(links) == 0 {
		return nil, err
	}
	last := &links[0] // the oldest
	for i := range links {
		if link := &links[i]; link.RevokedAt.IsZero() || !last.RevokedAt.IsZero() && !link.RevokedAt.Before(last.RevokedAt) {
			last = link
		}
	}
	shown := &lastLink{Link: *last, Live: last.RevokedAt.IsZero()}
	for _, person := range d.company.snapshot() {
		if person.Subject == last.Subject {
			shown.Person = person
		}
	}
	return shown, nil
}

// stopTimeout is how long running requests may take to finish.
const stopTimeout = time.Second

func (d *demo) serve(listener net.Listener, handler http.Handler) {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	go s.Serve(listener)
	d.onStop(func() error {
		deadline, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if s.Shutdown(deadline) != nil {
			s.Close()
		}
		return nil
	})
}

func (d *demo) onStop(stop func() error) { d.stops = append(d.stops, stop) }

// stop stops all parties in reverse order and removes the folder.
func (d *demo) stop() error {
	var errs []error
	for i := len(d.stops) - 1; i >= 0; i-- {
		errs = append(errs, d.stops[i]())
	}
	d.stops = nil
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
