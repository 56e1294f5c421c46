package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	propertyLifetime = 10 * time.Minute // of an access token
	propertyCode     = time.Minute      // of a code
	propertySecret   = "89abcdef0123456789abcdef01234567"
	rotating, stable = "rotating", "stable" // client ids
)

// stoppedClock moves only when it is told to.
type stoppedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stoppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stoppedClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// toSecond goes on to the next whole second, so that a run does not depend on the one before.
func (c *stoppedClock) toSecond() {
	c.advance(c.Now().Truncate(time.Second).Add(time.Second).Sub(c.Now()))
}

// instance is one of several whole on one database.
type instance struct {
	store *sqlstore.Store
	http  *httptest.Server
}

func (i *instance) stop() {
	i.http.Close()
	i.store.Close()
}

// fleet is two whole on one database file, each with its own listener, under one clock.
type fleet struct {
	database  string
	config    server.Config
	clock     *stoppedClock
	instances [2]*instance
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{
		database: filepath.Join(t.TempDir(), "bridge.db"),
		clock:    &stoppedClock{now: time.Unix(1_800_000_000, 0)},
		config: server.Config{
			PublicURL: "https://bridge.example.com",
			Keys:      keys.NewRing(bytes.Repeat([]byte{7}, keys.SecretSize)),
			Providers: []upstream.Config{{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "sub"}},
			Backends: []*bridge.Backend{{ID: backendID, Secrets: []bridge.Secret{bridge.NewSecret(backendSecret)},
				Skills: []string{rotating, stable}}},
		},
	}
	for _, id := range []string{rotating, stable} {
		f.config.Skills = append(f.config.Skills, &bridge.Skill{
			ClientID: id, Provider: "corp", Grants: []bridge.Grant{bridge.GrantAuthorizationCode},
			RedirectURIs: []string{"https://alexa.example.com/back"}, Secrets: []bridge.Secret{bridge.NewSecret(propertySecret)},
			CodeLifetime: propertyCode, AccessLifetime: propertyLifetime, RotateRefresh: id == rotating,
		})
	}
	for i := range f.instances {
		if err := f.start(i); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, instance := range f.instances {
			instance.stop()
		}
	})
	return f
}

func (f *fleet) start(i int) error {
	store, err := sqlstore.Open(context.Background(), sqlstore.Options{Driver: "sqlite", DSN: f.database, Create: true})
	if err != nil {
		return err
	}
	whole, err := server.New(f.config, server.Deps{Store: store, Log: slog.New(slog.DiscardHandler), Now: f.clock.Now})
	if err != nil {
		return err
	}
	f.instances[i] = &instance{store: store, http: httptest.NewServer(whole.Public)}
	return nil
}

// reply is what either endpoint answers.
type reply struct {
	status       int
	Error        string `json:"error"`
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Active       bool   `json:"active"`
	ClientID     string `json:"client_id"`
}

func (f *fleet) post(i int, path, id, secret string, form url.Values) (reply, error) {
	var got reply
	target := f.instances[i].http
	request, err := http.NewRequest(http.MethodPost, target.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return got, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(id, secret)
	response, err := target.Client().Do(request)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	got.status = response.StatusCode
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil && err != io.EOF {
		return got, err
	}
	return got, nil
}

// ask posts the same form n times at once, at both instances in turn.
func (f *fleet) ask(t *rapid.T, n int, path, client string, form url.Values) []reply {
	first := rapid.IntRange(0, 1).Draw(t, "instance")
	replies, errs := make([]reply, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { replies[i], errs[i] = f.post((first+i)%2, path, client, propertySecret, form) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return replies
}

// store is that of either instance.
func (f *fleet) store(t *rapid.T) bridge.Store {
	return f.instances[rapid.IntRange(0, 1).Draw(t, "store")].store
}
