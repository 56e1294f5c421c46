//go:build strict

package chaostest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

// flakyProvider is an OpenID Provider that fails now and then when it is asked whether an account still lives. It
// replaces every refresh token that it is sent, and remembers them, so that it knows which of its answers were lost.
type flakyProvider struct {
	*upstreamtest.Provider
	handler http.Handler
	counts  *counts

	mu              sync.Mutex
	rng             *rand.Rand
	failing, losing int               // of 100 questions
	chains          map[string]*chain // by each of their refresh tokens
}

// chain is refresh tokens that replaced one another since a sign-in.
type chain struct {
	subject string
	newest  string
	asked   time.Time // when one of them was presented last
	broken  bool      // one that had been replaced was presented: the newest has never arrived, or is not stored
	doubted bool      // a question was not answered, and none by a new refresh token since: a refusal proves nothing
}

// startProviders starts a provider without faults, which has a directory, and the flaky one. All replicas are one
// client.
func (c *cluster) startProviders() {
	c.t.Helper()
	clients := func(provider string) []upstreamtest.Client {
		client := upstreamtest.Client{ID: "bridge", Secret: "secret-" + provider}
		for _, r := range c.replicas {
			client.MoreURIs = append(client.MoreURIs, r.origin+"/callback/"+provider)
		}
		client.RedirectURI = client.MoreURIs[0]
		return []upstreamtest.Client{client}
	}
	people := []upstreamtest.Person{ada}
	for n := range workers {
		people = append(people, newStaff(n).people...)
	}
	var visitors []upstreamtest.Person
	for n := range guests {
		visitors = append(visitors, guest(n, 0))
	}
	var err error
	c.provider, err = upstreamtest.Start(upstreamtest.Config{Clients: clients("corp"), People: people})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.provider.Close() })
	c.flaky = &flakyProvider{counts: &c.counts, chains: map[string]*chain{}}
	c.flaky.Provider, err = upstreamtest.Start(upstreamtest.Config{Clients: clients("flaky"), People: visitors,
		Wrap: func(handler http.Handler) http.Handler {
			c.flaky.handler = handler
			return c.flaky
		}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.flaky.Close() })
}

// ServeHTTP serves the provider.
func (p *flakyProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/oauth/token" {
		p.handler.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	fails, loses := p.ask(form.Get("refresh_token"))
	if fails {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	answer := httptest.NewRecorder()
	p.handler.ServeHTTP(answer, r)
	loses = loses || r.Context().Err() != nil // the connection is gone
	p.note(form.Get("refresh_token"), answer, loses)
	if loses { // though the refresh token is replaced
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// ask notes a question by a refresh token, and draws what becomes of it. Sign-ins, which have none, never fail.
func (p *flakyProvider) ask(token string) (fails, loses bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.chains[token]
	if c == nil {
		return false, false
	}
	c.asked = time.Now()
	p.counts.add("provider: questions")
	if token != c.newest && !c.broken {
		c.broken = true
		p.counts.add("provider: refresh tokens that were lost")
	}
	if p.rng == nil {
		return false, false
	}
	drawn := p.rng.IntN(100)
	fails, loses = drawn < p.failing, drawn >= p.failing && drawn < p.failing+p.losing
	c.doubted = c.doubted || fails
	return fails, loses
}

// note notes the refresh token of a response, which replaces the one that was presented, and whether it is lost.
func (p *flakyProvider) note(presented string, answer *httptest.ResponseRecorder, lost bool) {
	var given struct {
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.chains[presented]
	if c != nil {
		c.doubted = c.doubted || lost
	}
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &given) != nil || given.RefreshToken == "" {
		return
	}
	if c == nil {
		c = &chain{subject: subjectOf(given.IDToken), asked: time.Now()}
	}
	c.newest, c.doubted = given.RefreshToken, lost
	p.chains[c.newest] = c
}

// subjectOf returns the sub of an ID token.
func subjectOf(idToken string) string {
	var claims struct {
		Subject string `json:"sub"`
	}
	parts := strings.Split(idToken+"..", ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	json.Unmarshal(payload, &claims)
	return claims.Subject
}

// lost returns how many sign-ins of a person have a refresh token that was lost, or, if the account is gone, one whose
// refusal proves nothing, and how many others nobody has asked about for some time.
func (p *flakyProvider) lost(subject string, gone bool, since time.Time) (broken, silent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token, c := range p.chains {
		switch {
		case token != c.newest || c.subject != subject:
		case c.broken, gone && c.doubted:
			broken++
		case c.asked.Before(since):
			silent++
		}
	}
	return broken, silent
}

// providerFaults are faults of the flaky provider. One that loses an answer has replaced the refresh token; one that
// fails three times in a row is left alone for half a minute.
func providerFaults() []*fault {
	lock := new(sync.Mutex)
	fails := func(failing, losing int) func(*experiment, time.Duration) error {
		return func(e *experiment, lasts time.Duration) error {
			e.flaky.fail(e.rng(5), failing, losing)
			e.pause(lasts)
			e.flaky.fail(nil, 0, 0)
			return nil
		}
	}
	lasts := []time.Duration{time.Second, 6 * time.Second, 40 * time.Second}
	return []*fault{
		{"provider unreliable", lock, lasts, fails(10, 6)},
		{"provider down", lock, lasts, fails(100, 0)},
	}
}

func (p *flakyProvider) fail(rng *rand.Rand, failing, losing int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rng, p.failing, p.losing = rng, failing, losing
}
