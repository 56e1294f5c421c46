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
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/config"
)

// world is all parties of the demo, each on a loopback port of its own.
type world struct {
	folder   string // with the configuration, its secrets and the database
	people   []upstreamtest.Person
	story    *story
	origins  origins
	store    *sqlstore.Store
	alexa    *pretendAlexa
	settings settings

	listeners listeners
	undo      []func() error // what stops it, in the order of starting
}

// origins is where the parties are.
type origins struct {
	Alexa, Bridge, Admin, Provider, Skill string
}

type listeners struct {
	alexa, bridge, admin, skill net.Listener
}

// company is the people who can sign in. The guest is a colleague from elsewhere, whom the skill's allow refuses.
func company() []upstreamtest.Person {
	return []upstreamtest.Person{
		{Subject: "248289761001", Login: "ada", Password: "engine", GivenName: "Ada", FamilyName: "Lovelace",
			Email: "ada@contoso.com", EmailVerified: true},
		{Subject: "248289761002", Login: "grace", Password: "compiler", GivenName: "Grace", FamilyName: "Hopper",
			Email: "grace@contoso.com", EmailVerified: true},
		{Subject: "248289761003", Login: "guest", Password: "visitor", GivenName: "Gus", FamilyName: "Guest",
			Email: "gus@fabrikam.com", EmailVerified: true},
	}
}

// startWorld starts everybody. The page is on the port given, 0 for a free one; the bridge logs to log.
func startWorld(port int, log io.Writer) (*world, error) {
	w := &world{people: company(), story: &story{}}
	if err := w.start(port, log); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

func (w *world) start(port int, log io.Writer) error {
	var err error
	if w.folder, err = os.MkdirTemp("", "alexa-oidc-bridge-demo-"); err != nil {
		return err
	}
	w.later(func() error { return os.RemoveAll(w.folder) })
	if err := w.listen(port); err != nil {
		return err
	}
	secrets, err := writeSecrets(w.folder)
	if err != nil {
		return err
	}
	if err := w.startProvider(secrets.provider); err != nil {
		return fmt.Errorf("the company's sign-in does not start: %w", err)
	}
	if err := w.startBridge(log); err != nil {
		return fmt.Errorf("the bridge does not start: %w", err)
	}
	w.serve(w.listeners.skill, w.story.record(partySkill, &skill{
		name:     skillName,
		lookup:   &lookup.Client{Endpoint: w.origins.Bridge + "/lookup", ID: backendID, Secret: secrets.backend},
		skillIDs: []string{alexaSkillID},
	}))
	w.alexa = newPretendAlexa(w.origins, secrets.skill, w.story)
	w.serve(w.listeners.alexa, newApp(w))
	return nil
}

// listen opens all ports before anything is configured, since each party is told where the others are.
func (w *world) listen(port int) error {
	for _, party := range []struct {
		listener *net.Listener
		origin   *string
		port     int
	}{
		{&w.listeners.alexa, &w.origins.Alexa, port},
		{&w.listeners.bridge, &w.origins.Bridge, 0},
		{&w.listeners.admin, &w.origins.Admin, 0},
		{&w.listeners.skill, &w.origins.Skill, 0},
	} {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(party.port)))
		if err != nil {
			return fmt.Errorf("%w; choose another -port, or leave it out for a free one", err)
		}
		w.later(func() error { return ignoreClosed(listener.Close()) })
		*party.listener, *party.origin = listener, "http://"+listener.Addr().String()
	}
	return nil
}

// startProvider starts the company's sign-in.
func (w *world) startProvider(secret string) error {
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name:    "Contoso",
		Clients: []upstreamtest.Client{{ID: providerClientID, Secret: secret, RedirectURI: server.CallbackURI(w.origins.Bridge, providerID)}},
		People:  w.people,
		Wrap:    func(provider http.Handler) http.Handler { return w.story.record(partyProvider, provider) },
	})
	if err != nil {
		return err
	}
	w.later(provider.Close)
	w.settings.Issuer = provider.Issuer()
	w.origins.Provider = strings.TrimSuffix(provider.Issuer(), "/")
	return nil
}

// startBridge does what the serve command does.
func (w *world) startBridge(log io.Writer) error {
	loaded, err := w.configure()
	if err != nil {
		return err
	}
	options := sqlstore.Options{Driver: loaded.Storage.Driver, DSN: loaded.Storage.DSN, Create: true}
	if w.store, err = sqlstore.Open(context.Background(), options); err != nil {
		return err
	}
	w.later(w.store.Close)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: loaded.Log.Level}))
	b, err := server.New(loaded.Server, server.Deps{Store: w.store, Log: logger})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Run(ctx)
	}()
	w.later(func() error {
		cancel()
		<-ended
		return nil
	})
	w.serve(w.listeners.bridge, w.story.record(partyBridge, b.Public))
	w.serve(w.listeners.admin, b.Admin)
	return nil
}

// configure writes the bridge's configuration and reads it as the bridge does.
func (w *world) configure() (*config.Config, error) {
	w.settings = settings{
		PublicURL:           w.origins.Bridge,
		Listen:              w.listeners.bridge.Addr().String(),
		AdminListen:         w.listeners.admin.Addr().String(),
		Issuer:              w.settings.Issuer,
		ImplicitRedirectURI: w.origins.implicitRedirectURI(),
		CodeRedirectURI:     w.origins.codeRedirectURI(),
	}
	return w.settings.load(w.folder)
}

// endLinks ends all links of the skill, as `alexa-oidc-bridge links revoke --skill` does.
func (w *world) endLinks(ctx context.Context) error {
	w.story.begin("The operator ends the link")
	ended, err := w.store.Revoke(ctx, bridge.LinkFilter{ClientID: skillClientID}, bridge.ReasonOperator, time.Now())
	if err != nil {
		return err
	}
	w.story.tell(revokeStep(ended))
	return nil
}

// stopWithin is how long requests that are under way may take to finish.
const stopWithin = time.Second

func (w *world) serve(listener net.Listener, handler http.Handler) {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	go s.Serve(listener)
	w.later(func() error {
		deadline, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		if s.Shutdown(deadline) != nil {
			s.Close()
		}
		return nil
	})
}

func (w *world) later(undo func() error) { w.undo = append(w.undo, undo) }

// stop stops everybody, the last that was started first, and leaves nothing behind.
func (w *world) stop() error {
	var errs []error
	for i := len(w.undo) - 1; i >= 0; i-- {
		errs = append(errs, w.undo[i]())
	}
	w.undo = nil
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
