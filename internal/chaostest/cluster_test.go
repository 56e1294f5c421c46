//go:build strict

package chaostest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/postgrestest"
	"alexa-oidc-bridge/internal/testmachine"
)

var ada = upstreamtest.Person{Subject: "a2b4c6", Login: "ada", Password: "correct horse", GivenName: "Ada",
	FamilyName: "Lovelace"}

// cluster is several replicas on one database, with two OpenID Providers.
type cluster struct {
	t             *testing.T
	driver        string
	maxStaleness  time.Duration // lookup.max_staleness
	replicas      []*replica
	rotates       *skill // its refresh tokens rotate
	stable        *skill
	rechecked     *skill // of the flaky provider, whose answers about an account are good for recheckLimit
	backendSecret string
	scimToken     string
	commandConfig string // path of the configuration of commands, which connect to the database without a proxy
	provider      *upstreamtest.Provider
	flaky         *flakyProvider
	counts        counts
}

// skill is a skill as a client.
type skill struct {
	id, secret string
	rotates    bool
	limited    bool // its provider has a recheck_limit
}

// newCluster configures replicas on PostgreSQL, each with a proxy, or on a SQLite file if the server is nil. It
// starts none.
func newCluster(
	t *testing.T, replicas int, server *postgrestest.Server, file string, maxStaleness time.Duration,
) *cluster {
	t.Helper()
	t.Setenv("BRIDGE_KEY", keys.Generate())
	c := &cluster{t: t, driver: sqlstore.SQLite, maxStaleness: maxStaleness, backendSecret: keys.Generate(),
		scimToken: keys.Generate(), rotates: &skill{"rotates", keys.Generate(), true, false},
		stable: &skill{"stable", keys.Generate(), false, false}, rechecked: &skill{"rechecked", keys.Generate(), false, true}}
	dsn := file
	if server != nil {
		c.driver, dsn = sqlstore.PostgreSQL, server.DatabaseFor(t)
	}
	addresses := testmachine.FreeAddresses(t, 2*replicas)
	for i := range replicas {
		r := &replica{number: i, origin: "http://" + addresses[2*i], admin: addresses[2*i+1], dsn: dsn,
			clients: &http.Client{Timeout: 4 * time.Second, Transport: newTransport()}, browsers: newTransport()}
		if server != nil {
			r.proxy = server.ProxyForTest(t)
			r.dsn = r.proxy.DSN(dsn)
		}
		c.replicas = append(c.replicas, r)
	}
	c.startProviders()
	folder := t.TempDir()
	c.commandConfig = filepath.Join(folder, "commands.yaml")
	c.writeConfig(c.commandConfig, c.replicas[0], dsn)
	for _, r := range c.replicas {
		r.config = filepath.Join(folder, r.String()+".yaml")
		c.writeConfig(r.config, r, r.dsn)
	}
	return c
}

func (c *cluster) writeConfig(path string, r *replica, dsn string) {
	c.t.Helper()
	text := fmt.Sprintf(`
public_url: %s
listen: %s
admin_listen: %s
keys: ["${BRIDGE_KEY}"]
storage: {driver: %s, dsn: %q}
lookup: {max_staleness: %s}
log: {level: debug}
providers:
  - {id: corp, issuer: %q, client_id: bridge, client_secret: secret-corp, offline: true, recheck_after: 5s,
     scim: {token: %s}}
  - {id: flaky, issuer: %q, client_id: bridge, client_secret: secret-flaky, offline: true, recheck_after: 1s,
     recheck_limit: %s}
backends: [{id: backend, secret: %s, skills: [rotates, stable, rechecked]}]
skills:
`, r.origin, strings.TrimPrefix(r.origin, "http://"), r.admin, c.driver, dsn, c.maxStaleness, c.provider.Issuer(),
		c.scimToken, c.flaky.Issuer(), recheckLimit, c.backendSecret)
	for _, s := range []*skill{c.rotates, c.stable, c.rechecked} {
		provider, refresh := "corp", "stable"
		if s.limited {
			provider = "flaky"
		}
		if s.rotates {
			refresh = "rotate"
		}
		text += fmt.Sprintf(`
  - {client_id: %s, name: Contoso Pizza, provider: %s, grants: [implicit, authorization_code], client_secret: %s,
     claims: [name], vendor_ids: [M2AAAAAAAAAAAA], max_links_per_person: 0,
     tokens: {refresh: %s, code_lifetime: 10m, access_lifetime: 24h}}
`, s.id, provider, s.secret, refresh)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// start starts all replicas at once, as on an empty database.
func (c *cluster) start() {
	c.t.Helper()
	errs := make([]error, len(c.replicas))
	var group sync.WaitGroup
	for i, r := range c.replicas {
		over := r.disturb()
		group.Go(func() {
			errs[i] = r.start(c.t.Context())
			over()
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		for _, r := range c.replicas {
			r.kill()
		}
	})
}

// flow is a person who links a skill through a browser.
type flow struct {
	phone   *simulator.Phone
	request simulator.Request
	page    *simulator.Page
}

// unexpectedError is a page, or a redirect to Alexa, that does not continue the flow.
type unexpectedError struct {
	status int
	text   string
}

func (e *unexpectedError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

// signIn goes as far as the consent page.
func (s *skill) signIn(r *replica, responseType string, person upstreamtest.Person) (*flow, error) {
	f := &flow{phone: simulator.NewPhone()}
	f.phone.Client.Transport, f.phone.Client.Timeout = r.browsers, 8*time.Second
	f.request = simulator.Request{AuthorizationURI: r.origin + "/authorize", ClientID: s.id, ResponseType: responseType,
		State: simulator.NewState(), RedirectURI: alexa.RedirectURIs("M2AAAAAAAAAAAA")[0]}
	page, err := f.phone.Open(f.request.URL())
	if err := f.turnTo(page, err); err != nil {
		return nil, err
	}
	page, err = f.phone.Submit(f.page, url.Values{"login": {person.Login}, "password": {person.Password},
		"action": {"sign-in"}})
	return f, f.turnTo(page, err)
}

// turnTo keeps the current page if the next one is an error.
func (f *flow) turnTo(page *simulator.Page, err error) error {
	if err == nil && !page.Arrived && page.Status != http.StatusOK {
		return &unexpectedError{page.Status, page.URL.Path + "\n" + page.Body}
	}
	if err == nil {
		f.page = page
	}
	return err
}

// consent links the skill, and returns what Alexa receives: access_token or code. It may be repeated after an error.
func (f *flow) consent() (url.Values, error) {
	page, err := f.phone.Submit(f.page, url.Values{"decision": {"link"}})
	if err != nil {
		return nil, err
	}
	if !page.Arrived {
		return nil, &unexpectedError{page.Status, page.URL.Path + "\n" + page.Body}
	}
	received, err := f.request.Answer(page.URL)
	if err != nil || received.Get("state") != f.request.State || received.Get("access_token")+received.Get("code") == "" {
		text := fmt.Sprintf("redirected to Alexa with error %q, %v", received.Get("error"), err)
		return nil, &unexpectedError{page.Status, text}
	}
	return received, nil
}

// response is the response to a request of a client, or its absence.
type response struct {
	replica        *replica
	process        *process
	sent, received time.Time
	status         int // 0: none was received
	body           []byte
	retryAfter     string
}

// definite reports whether the outcome of the request is known.
func (r *response) definite() bool { return r.status != 0 && r.status != http.StatusServiceUnavailable }

// post sends a form as a client.
func post(r *replica, path, id, secret string, form url.Values) *response {
	return send(r, http.MethodPost, path, form.Encode(), func(request *http.Request) {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
		request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	})
}

// send sends a request, which a function authenticates.
func send(r *replica, method, path, body string, authenticate func(*http.Request)) *response {
	result := &response{replica: r, process: r.process.Load(), sent: time.Now()}
	defer func() { result.received = time.Now() }()
	request, err := http.NewRequest(method, r.origin+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	authenticate(request)
	received, err := r.clients.Do(request)
	if err != nil {
		return result
	}
	defer received.Body.Close()
	if result.body, err = io.ReadAll(received.Body); err != nil {
		return result
	}
	result.status, result.retryAfter = received.StatusCode, received.Header.Get("Retry-After")
	return result
}
