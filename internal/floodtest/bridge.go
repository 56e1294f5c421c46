//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// Addresses of clients, as the trusted proxy on this machine tells them.
const (
	stranger        = "198.51.100.1"
	strangerHangsUp = "198.51.100.2"
	strangerWaits   = "198.51.100.3"
	honest          = "203.0.113.9"
)

const (
	vendorID = "M2AAAAAAAAAAAA"
	skillID  = "amzn1.ask.skill.1"
)

var ada = upstreamtest.Person{Subject: "a2b4c6", Login: "ada", Password: "correct horse", GivenName: "Ada",
	FamilyName: "Lovelace", Email: "ada@contoso.example", EmailVerified: true}

// testedBridge is a bridge in a process of its own, on one core, with a provider in this process.
type testedBridge struct {
	address  string
	secret   string // of the backend
	provider *upstreamtest.Provider
	process  *exec.Cmd
	folder   string
	token    string // of a link
}

const configuration = `
public_url: http://%[1]s
listen: %[1]s
admin_listen: 127.0.0.1:0
trusted_proxies: ["127.0.0.1"]
log: {level: warn}
limits: {connections: 8192}
keys: [%[2]s]
storage: %[3]s
providers:
  - {id: corp, issuer: "%[4]s", client_id: bridge, client_secret: upstream-secret, universal_logout: true,
     scim: {token: %[7]s}}
skills:
  - {client_id: pizza, name: Contoso Pizza, vendor_ids: [` + vendorID + `], grants: [implicit, authorization_code],
     client_secret: %[5]s, max_links_per_person: 0, skill_ids: [` + skillID + `]}
  - {client_id: lights, name: Contoso Lights, vendor_ids: [` + vendorID + `], grants: [implicit]}
backends: [{id: backend, secret: %[6]s, skills: [pizza, lights]}]
`

func startBridge(ctx context.Context, s *settings, folder string) (*testedBridge, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return nil, err
	}
	b := &testedBridge{address: listener.Addr().String(), secret: keys.Generate(), folder: folder}
	listener.Close()
	b.provider, err = upstreamtest.Start(upstreamtest.Config{
		People:  []upstreamtest.Person{ada},
		Clients: []upstreamtest.Client{{ID: "bridge", Secret: "upstream-secret", RedirectURI: b.origin() + "/callback/corp"}},
		Wrap:    refuseSlowly,
	})
	if err != nil {
		return nil, err
	}
	storage := "{driver: sqlite, dsn: bridge.db}"
	if s.dsn != "" {
		storage = fmt.Sprintf("{driver: postgres, dsn: %q}", s.dsn)
	}
	text := fmt.Sprintf(configuration, b.address, keys.Generate(), storage, b.provider.Issuer(), keys.Generate(), b.secret,
		keys.Generate())
	config := filepath.Join(b.folder, "config.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	b.process = exec.CommandContext(ctx, "taskset", "-c", "0", s.program, "serve", "--config", config)
	b.process.Env = append(os.Environ(), "HTTPS_PROXY=http://127.0.0.1:1") // no flood reaches the servers of Amazon
	b.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if b.process.Stderr, err = os.Create(filepath.Join(b.folder, "log")); err != nil {
		return nil, err
	}
	if err := b.process.Start(); err != nil {
		return nil, err
	}
	return b, b.waitUntilReady(ctx)
}

// waitUntilReady waits until a skill can be linked, and links it.
func (b *testedBridge) waitUntilReady(ctx context.Context) error {
	for range 100 {
		if _, err := b.link(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	_, err := b.link()
	log, _ := os.ReadFile(filepath.Join(b.folder, "log"))
	return fmt.Errorf("the bridge does not start: %w\n%s", err, log)
}

func (b *testedBridge) stop() {
	b.process.Process.Signal(syscall.SIGTERM)
	b.process.Wait() // its error is the signal
	b.provider.Close()
}

func (b *testedBridge) origin() string { return "http://" + b.address }

func (b *testedBridge) request() simulator.Request {
	return simulator.Request{AuthorizationURI: b.origin() + "/authorize", ClientID: "pizza", ResponseType: "token",
		State: simulator.NewState(), RedirectURI: alexa.RedirectURIs(vendorID)[0]}
}

// link links the skill as another client than the one that floods, and returns how long all of its pages took.
func (b *testedBridge) link() (took time.Duration, err error) {
	began := time.Now()
	phone := simulator.NewPhone()
	phone.Client.Transport = clientAt(honest)
	received, err := phone.Link(b.request(),
		url.Values{"login": {ada.Login}, "password": {ada.Password}, "action": {"sign-in"}}, url.Values{"decision": {"link"}})
	if err != nil {
		return 0, err
	}
	b.token = received.Get("access_token")
	return time.Since(began), nil
}

// clientAt is the address of a client whose requests come through the proxy.
type clientAt string

func (c clientAt) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(c))
	return http.DefaultTransport.RoundTrip(r)
}

// refuseSlowly lets the provider take 2 s to refuse a code that it never sent.
func refuseSlowly(provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.FormValue("code"), inventedCode) {
			select {
			case <-time.After(2 * time.Second):
			case <-r.Context().Done():
			}
		}
		provider.ServeHTTP(w, r)
	})
}

// readResponse reads one response, and reports whether the connection can be used again.
func readResponse(reader *bufio.Reader) bool {
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err == nil && !response.Close
}
