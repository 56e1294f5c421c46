package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

const (
	propertyIssuer   = "https://login.example.com"
	propertySecret   = "89abcdef0123456789abcdef01234567"
	propertyRedirect = "https://alexa.example.com/back"
	propertyLifetime = 10 * time.Minute // of an access token
	propertyCode     = time.Minute      // of a code
	rotating, stable = "rotating", "stable"
)

// replicas are two bridges on one database, with one clock, which is held. The skill "rotating" rotates refresh
// tokens, and the skill "stable" does not.
type replicas struct {
	bridges [2]*testBridge
	clock   *testbridge.Clock
	client  *http.Client
}

func startReplicas(t *testing.T) *replicas {
	r := &replicas{
		clock:  &testbridge.Clock{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
	}
	r.clock.Hold()
	database := filepath.Join(t.TempDir(), "bridge.db")
	for i := range r.bridges {
		r.bridges[i] = startBridge(t, func(b *testBridge) {
			b.Database, b.Clock, b.LogLevel = database, r.clock, slog.LevelError
			b.Config.Providers[0].Issuer, b.Config.Providers[0].SubjectClaim = propertyIssuer, "sub"
			b.Config.Backends[0].Skills = []string{rotating, stable}
			b.Config.Skills = []*bridge.Skill{propertySkill(rotating), propertySkill(stable)}
		})
	}
	return r
}

// nextSecond moves the clock to the next whole second.
func (r *replicas) nextSecond() {
	now := r.clock.Now()
	r.clock.Advance(now.Truncate(time.Second).Add(time.Second).Sub(now))
}

func propertySkill(id string) *bridge.Skill {
	return &bridge.Skill{
		ClientID: id, Provider: "corp", Grants: []bridge.Grant{bridge.GrantAuthorizationCode},
		RedirectURIs: []string{propertyRedirect}, Secrets: []bridge.Secret{bridge.NewSecret(propertySecret)},
		CodeLifetime: propertyCode, AccessLifetime: propertyLifetime, RotateRefresh: id == rotating,
	}
}

// response is a response of the token endpoint, or of lookup.
type response struct {
	status       int
	timedOut     bool   // the store did not answer in time, as on a busy machine
	Error        string `json:"error"`
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Active       bool   `json:"active"`
	ClientID     string `json:"client_id"`
}

// post posts a form to one of the replicas.
func (r *replicas) post(replica int, path, id, secret string, form url.Values) (response, error) {
	var got response
	request := r.bridges[replica].NewRequest(http.MethodPost, path, form)
	request.SetBasicAuth(id, secret)
	began := time.Now()
	received, err := r.client.Do(request)
	if err != nil {
		return got, err
	}
	defer received.Body.Close()
	got.status = received.StatusCode
	got.timedOut = got.status == http.StatusServiceUnavailable && time.Since(began) >= bridge.StoreTimeout
	if err := json.NewDecoder(received.Body).Decode(&got); err != nil && err != io.EOF {
		return got, err
	}
	return got, nil
}

// present posts a code or a token of a link n times at once, at both replicas in turn. If the store of one does not
// answer in time, nobody knows what has happened to the link: the model forgets it, and the action ends.
func (p *property) present(t *rapid.T, l *modelLink, n int, path, client string, form url.Values) []response {
	first := drawReplica(t)
	responses, errs := make([]response, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { responses[i], errs[i] = p.post((first+i)%2, path, client, propertySecret, form) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(responses, func(r response) bool { return r.timedOut }) {
		p.forget(l)
		t.Skip("the store did not answer in time")
	}
	return responses
}

// store draws the store of one of the replicas.
func (r *replicas) store(t *rapid.T) bridge.Store {
	return r.bridges[rapid.IntRange(0, 1).Draw(t, "store")].Store
}
