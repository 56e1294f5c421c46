package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

var ada = upstreamtest.Person{Subject: "a2b4c6", Login: "ada", Password: "correct horse", GivenName: "Ada", FamilyName: "Lovelace"}

// place is a configuration for one process, with a provider and a database that several may share.
type place struct {
	*testing.T
	origin, admin string
	config        string // path
	provider      *upstreamtest.Provider
	secret        string // of the backend
	skillSecret   string
}

// newPlaces makes n configurations of one bridge with one database, each on an address of its own.
func newPlaces(t *testing.T, n int) []*place {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("BRIDGE_KEY", keys.Generate())
	places := make([]*place, n)
	secret := keys.Generate()
	var clients []upstreamtest.Client
	for i := range places {
		p := &place{T: t, origin: "http://" + freeAddress(t), admin: freeAddress(t), secret: keys.Generate(), skillSecret: secret,
			config: filepath.Join(dir, fmt.Sprintf("config%d.yaml", i))}
		places[i] = p
		clients = append(clients, upstreamtest.Client{ID: fmt.Sprintf("bridge%d", i), Secret: "upstream-secret", RedirectURI: p.origin + "/callback/corp"})
	}
	provider, err := upstreamtest.Start(upstreamtest.Config{Clients: clients, People: []upstreamtest.Person{ada}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	for i, p := range places {
		p.provider = provider
		text := fmt.Sprintf(`
public_url: %s
listen: %s
admin_listen: %s
keys: ["${BRIDGE_KEY}"]
storage: {dsn: bridge.db}
providers: [{id: corp, issuer: %q, client_id: %s, client_secret: upstream-secret}]
skills:
  - {client_id: pizza, name: Contoso Pizza, grants: [implicit, authorization_code], client_secret: %s, tokens: {refresh: rotate},
     vendor_ids: [M2AAAAAAAAAAAA], claims: [name]}
backends: [{id: pizza-backend, secret: %s, skills: [pizza]}]
`, p.origin, strings.TrimPrefix(p.origin, "http://"), p.admin, provider.Issuer(), clients[i].ID, p.skillSecret, p.secret)
		if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return places
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// process is a running serve.
type process struct {
	place *place
	cmd   *exec.Cmd
	ended chan struct{} // closed when its log ends, which is when it ends
}

// serve starts a process and waits until it serves.
func (p *place) serve() *process {
	p.Helper()
	cmd := exec.Command(os.Args[0], "serve", "--config", p.config)
	cmd.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	log, err := cmd.StderrPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	running := &process{place: p, cmd: cmd, ended: make(chan struct{})}
	p.Cleanup(func() { cmd.Process.Kill() })
	serving := make(chan bool, 1)
	go running.follow(bufio.NewScanner(log), serving)
	if !<-serving {
		p.Fatal("serve ended before it served")
	}
	return running
}

func (r *process) follow(log *bufio.Scanner, serving chan<- bool) {
	defer close(r.ended)
	defer func() { serving <- false }()
	for log.Scan() {
		var line struct{ Msg string }
		json.Unmarshal(log.Bytes(), &line)
		if line.Msg == "serving" {
			serving <- true
			serving = make(chan bool, 1)
		}
	}
}

// wait waits for the end of the process and returns its exit code.
func (r *process) wait() int {
	r.place.Helper()
	<-r.ended
	err := r.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		r.place.Fatal(err)
	}
	return 0
}

func (r *process) signal(signal os.Signal) {
	r.place.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		r.place.Fatal(err)
	}
}

// consentPage takes a phone to the consent page.
func (p *place) consentPage(phone *simulator.Phone, responseType string) (simulator.Request, *simulator.Page) {
	p.Helper()
	request := simulator.Request{AuthorizationURI: p.origin + "/authorize", ClientID: "pizza", ResponseType: responseType,
		State: simulator.NewState(), RedirectURI: alexa.RedirectURIs("M2AAAAAAAAAAAA")[0]}
	login, err := phone.Open(request.URL())
	if err != nil {
		p.Fatal(err)
	}
	consent, err := phone.Submit(login, url.Values{"login": {ada.Login}, "password": {ada.Password}, "action": {"sign-in"}})
	if err != nil || consent.Status != http.StatusOK {
		p.Fatalf("%v, %+v", err, consent)
	}
	return request, consent
}

func (p *place) link() string {
	p.Helper()
	phone := simulator.NewPhone()
	request, consent := p.consentPage(phone, "token")
	arrived, err := phone.Submit(consent, url.Values{"decision": {"link"}})
	if err != nil {
		p.Fatal(err)
	}
	return p.token(request, arrived)
}

func (p *place) token(request simulator.Request, arrived *simulator.Page) string {
	p.Helper()
	answer, err := request.Answer(arrived.URL)
	if err != nil || answer.Get("access_token") == "" || answer.Get("state") != request.State {
		p.Fatalf("%v, %v at %s", err, answer, arrived.URL)
	}
	return answer.Get("access_token")
}

func (p *place) active(token string) bool {
	p.Helper()
	client := &lookup.Client{Endpoint: p.origin + "/lookup", ID: "pizza-backend", Secret: p.secret}
	answer, err := client.Lookup(p.Context(), token)
	if err != nil {
		p.Fatal(err)
	}
	return answer.Active
}

// wantEnded waits until a token reads inactive. How long that may take is measured elsewhere.
func (p *place) wantEnded(token string) {
	p.Helper()
	for deadline := time.Now().Add(20 * time.Second); p.active(token); {
		if time.Now().After(deadline) {
			p.Fatal("active long after its end")
		}
	}
}

// The token is durable before it leaves: a process that is killed as soon as the browser has the redirect has lost nothing.
func TestKilledRightAfterTheRedirect(t *testing.T) {
	place := newPlaces(t, 1)[0]
	for range 5 {
		running := place.serve()
		phone := simulator.NewPhone()
		request, consent := place.consentPage(phone, "token")
		phone.Trace = func(simulator.Exchange) { running.cmd.Process.Kill() }
		arrived, err := phone.Submit(consent, url.Values{"decision": {"link"}})
		if err != nil {
			t.Fatal(err)
		}
		running.wait()
		running = place.serve()
		if !place.active(place.token(request, arrived)) {
			t.Fatal("a token that left the process is lost")
		}
		running.signal(os.Kill)
		running.wait()
	}
}

func TestStopsWhenAsked(t *testing.T) {
	place := newPlaces(t, 1)[0]
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		running := place.serve()
		if code, _, stderr := runCommand("health", "--config", place.config); code != 0 {
			t.Errorf("health: exit code %d, %s", code, stderr)
		}
		token := place.link()
		if !place.active(token) {
			t.Error("not active")
		}
		running.signal(signal)
		if code := running.wait(); code != 0 {
			t.Errorf("%v: exit code %d", signal, code)
		}
		if code, _, _ := runCommand("health", "--config", place.config); code != 1 {
			t.Errorf("health of a server that has stopped: exit code %d", code)
		}
		if _, stdout, _ := runCommand("links", "list", "--json", "--config", place.config); strings.Contains(stdout, `"last_used_at": null`) {
			t.Errorf("the last use was not noted before the end: %s", stdout)
		}
	}
}

// Two servers on one database file, as during a rolling restart: each knows the other's links, both learn what a command
// ends.
func TestTwoServersAndACommand(t *testing.T) {
	places := newPlaces(t, 2)
	for _, place := range places {
		place.serve()
	}
	first, second := places[0].link(), places[1].link()
	for _, place := range places {
		if !place.active(first) || !place.active(second) {
			t.Error("a link of the other server is not known")
		}
	}
	code, stdout, stderr := runCommand("links", "revoke", "--subject", ada.Subject, "--config", places[0].config)
	if code != 0 || !strings.Contains(stdout, "links revoked: 2") {
		t.Fatalf("exit code %d, %s%s", code, stdout, stderr)
	}
	for _, place := range places {
		place.wantEnded(first)
		place.wantEnded(second)
	}
}

func TestPortInUse(t *testing.T) {
	place := newPlaces(t, 1)[0]
	place.serve()
	code, _, stderr := runCommand("serve", "--config", place.config)
	if code != 1 || !strings.Contains(stderr, "address already in use") || !strings.Contains(stderr, "stop what has this port") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
