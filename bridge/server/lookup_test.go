package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/simulator"
)

func (r *rig) lookUpRequest(form url.Values) *http.Request {
	r.Helper()
	request := r.newRequest(http.MethodPost, "/lookup", form)
	request.SetBasicAuth(backendID, backendSecret)
	return request
}

const inactive = `{"active":false}`

func TestLookUpAnswers(t *testing.T) {
	r := newRig(t)
	token := r.link(simulator.NewPhone(), ada)
	ended := r.link(simulator.NewPhone(), ada)
	if _, err := r.store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{r.lookup(ended).LinkID}}, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	basic := func(id, secret string) func(*http.Request) {
		return func(request *http.Request) { request.SetBasicAuth(id, secret) }
	}
	none := func(request *http.Request) { request.Header.Del("Authorization") }
	good := url.Values{"token": {token}}
	inBody := func(more ...string) url.Values {
		values := url.Values{"token": {token}, "client_id": {backendID}, "client_secret": {backendSecret}}
		for i := 0; i < len(more); i += 2 {
			values.Add(more[i], more[i+1])
		}
		return values
	}
	tests := []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		status int
		want   string // is in the body; empty: an active answer
	}{
		{"Basic", good, nil, 200, ""},
		{"in the body", inBody(), none, 200, ""},
		{"a hint", url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}, nil, 200, ""},
		{"form-encoded Basic", good, basic(url.QueryEscape(backendID), url.QueryEscape(backendSecret)), 200, ""},
		{"the id in the body too", url.Values{"token": {token}, "client_id": {backendID}}, nil, 200, ""},
		{"charset", good, func(q *http.Request) { q.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8") }, 200, ""},

		{"revoked", url.Values{"token": {ended}}, nil, 200, inactive},
		{"unknown", url.Values{"token": {bridge.NewToken(bridge.AccessTokenKind, [32]byte{1})}}, nil, 200, inactive},
		{"malformed", url.Values{"token": {"x' OR 1=1 --"}}, nil, 200, inactive},
		{"very long", url.Values{"token": {strings.Repeat("a", 5000)}}, nil, 200, inactive},
		{"another kind", url.Values{"token": {"aob_rt_" + strings.TrimPrefix(token, "aob_at_")}}, nil, 200, inactive},
		{"its hash", url.Values{"token": {string(bridge.HashOf(token))}}, nil, 200, inactive},
		{"in other case", url.Values{"token": {strings.ToUpper(token)}}, nil, 200, inactive},
		{"another backend's skill", good, basic("lights-backend", otherSecret), 200, inactive},

		{"no token", url.Values{"x": {"y"}}, nil, 400, "invalid_request"},
		{"empty token", url.Values{"token": {""}}, nil, 400, "invalid_request"},
		{"repeated token", url.Values{"token": {token, token}}, nil, 400, "invalid_request"},
		{"repeated hint", url.Values{"token": {token}, "token_type_hint": {"a", "b"}}, nil, 400, "invalid_request"},
		{"long user id", url.Values{"token": {token}, "alexa_user_id": {strings.Repeat("a", 256)}}, nil, 400, "invalid_request"},
		{"both ways at once", inBody(), nil, 400, "invalid_request"},
		{"another id in the body", url.Values{"token": {token}, "client_id": {"lights-backend"}}, nil, 400, "invalid_request"},
		{"repeated secret", inBody("client_secret", backendSecret), none, 400, "invalid_request"},
		{"repeated id", inBody("client_id", backendID), none, 400, "invalid_request"},
		{"two headers", good, func(q *http.Request) { q.Header.Add("Authorization", "Basic eDp5") }, 400, "invalid_request"},

		{"nobody", good, none, 401, "invalid_client"},
		{"wrong secret", good, basic(backendID, otherSecret), 401, "invalid_client"},
		{"empty secret", good, basic(backendID, ""), 401, "invalid_client"},
		{"unknown backend", good, basic("nobody", backendSecret), 401, "invalid_client"},
		{"the skill itself", good, basic("pizza", backendSecret), 401, "invalid_client"},
		{"secret's beginning", good, basic(backendID, backendSecret[:31]), 401, "invalid_client"},
		{"the token as Bearer", good, func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+token) }, 401, "invalid_client"},
		{"broken Basic", good, func(q *http.Request) { q.Header.Set("Authorization", "Basic ???") }, 401, "invalid_client"},
		{"nobody, and no token", url.Values{"x": {"y"}}, none, 401, "invalid_client"},

		{"in the URL", url.Values{"x": {"y"}}, func(q *http.Request) { q.URL.RawQuery = good.Encode() }, 400, "invalid_request"},
		{"credentials in the URL", good, func(q *http.Request) {
			none(q)
			q.URL.RawQuery = inBody().Encode()
		}, 401, "invalid_client"},
		{"GET", nil, func(q *http.Request) { q.Method = http.MethodGet }, 405, "Use POST"},
		{"too large", url.Values{"token": {strings.Repeat("a", 8192)}}, nil, 413, "invalid_request"},
		{"JSON", good, func(q *http.Request) { q.Header.Set("Content-Type", "application/json") }, 415, "invalid_request"},
		{"no type", good, func(q *http.Request) { q.Header.Del("Content-Type") }, 415, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := r.lookUpRequest(tt.form)
			if tt.change != nil {
				tt.change(request)
			}
			response, body := r.do(request)
			if response.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", response.StatusCode, tt.status, body)
			}
			if header := response.Header; header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", header)
			}
			if challenge := response.Header.Get("WWW-Authenticate"); (tt.status == 401) != strings.HasPrefix(challenge, "Basic ") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			switch {
			case tt.want == "" && !strings.Contains(body, `"active":true`),
				tt.want == inactive && body != inactive,
				tt.status != 200 && !isErrorObject(body, tt.want):
				t.Errorf("body %s, want %q", body, tt.want)
			}
		})
	}
}

func isErrorObject(body, want string) bool {
	var object map[string]string
	return json.Unmarshal([]byte(body), &object) == nil && len(object) == 2 && object["error"] != "" &&
		object["error_description"] != "" && strings.Contains(body, want)
}

func TestLookUpTellsOnlyConfiguredClaims(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.skill.Claims = []string{"name", "phone_number"}
		r.skill.Allow.EmailDomains = []string{"contoso.com"}
	})
	token := r.link(simulator.NewPhone(), ada)
	if claims := r.lookup(token).Claims; len(claims) != 1 || claims["name"] != "Ada Lovelace" {
		t.Errorf("claims %v", claims)
	}
	r.skill.Claims = nil
	r.restart()
	_, body := r.do(r.lookUpRequest(url.Values{"token": {token}}))
	if !strings.Contains(body, `"claims":{}`) {
		t.Errorf("without claims: %s", body)
	}
}

func TestSeveralSecrets(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.config.Backends[0].Secrets = append(r.config.Backends[0].Secrets, bridge.NewSecret(strings.Repeat("n", 32)))
	})
	token := r.link(simulator.NewPhone(), ada)
	for secret, want := range map[string]bool{backendSecret: true, strings.Repeat("n", 32): true, otherSecret: false} {
		client := r.backend()
		client.Secret = secret
		_, err := client.Lookup(t.Context(), token)
		if (err == nil) != want || errors.Is(err, lookup.ErrUnavailable) {
			t.Errorf("%.2s…: %v", secret, err)
		}
	}
}

func TestReadiness(t *testing.T) {
	r := newRig(t)
	status := func(path string) int {
		recorder := httptest.NewRecorder()
		r.server.Admin.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Code
	}
	r.provider.SetDown(true)
	for range 2 {
		if status("/healthz") != 200 || status("/readyz") != 200 {
			t.Errorf("healthz %d, readyz %d", status("/healthz"), status("/readyz"))
		}
		r.clock.advance(29 * time.Second)
	}
	r.clock.advance(2 * time.Second)
	if status("/healthz") != 200 || status("/readyz") != 503 {
		t.Errorf("after more than max_staleness: healthz %d, readyz %d", status("/healthz"), status("/readyz"))
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if page := r.open(simulator.NewPhone(), r.origin+path); page.Status != http.StatusNotFound {
			t.Errorf("%s is public", path)
		}
	}
}

func TestPanicIsCaught(t *testing.T) {
	r := newRig(t)
	token := r.link(simulator.NewPhone(), ada)
	broken := &brokenStore{Store: r.store}
	r.replaceStore(broken)
	broken.panics.Store(true)
	response, body := r.do(r.lookUpRequest(url.Values{"token": {token}}))
	if response.StatusCode != http.StatusInternalServerError || !isErrorObject(body, "server_error") {
		t.Errorf("lookup: status %d, %s", response.StatusCode, body)
	}
	phone := simulator.NewPhone()
	r.wantPage(r.signIn(phone, r.request(), ada), http.StatusInternalServerError, "Something went wrong on our side")
	r.wantLogged(map[string]any{"msg": "panic", "cause": "a mistake"})
	broken.panics.Store(false)
	r.wantActive(token)
}

// brokenStore is a store that can be put out of reach.
type brokenStore struct {
	bridge.Store
	broken, panics atomic.Bool
}

var errBroken = errors.New("disk on fire")

func (s *brokenStore) fail() error {
	if s.panics.Load() {
		panic("a mistake")
	}
	if s.broken.Load() {
		return errBroken
	}
	return nil
}

func (s *brokenStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	if err := s.fail(); err != nil {
		return bridge.AccessToken{}, err
	}
	return s.Store.Lookup(ctx, token)
}

func (s *brokenStore) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	if err := s.fail(); err != nil {
		return bridge.PendingConsent{}, err
	}
	return s.Store.PendingConsent(ctx, handle, now)
}

func (s *brokenStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	if err := s.fail(); err != nil {
		return bridge.Feed{}, err
	}
	return s.Store.ReadFeed(ctx, after)
}
