package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// Token introspection (RFC 7662), and how backends authenticate for it.
func TestLookup(t *testing.T) {
	t.Parallel()
	newSecret := strings.Repeat("n", 32) // a backend may have several, so that they can be replaced
	b := startBridge(t, func(b *testBridge) {
		b.Config.Backends[0].Secrets = append(b.Config.Backends[0].Secrets, bridge.NewSecret(newSecret))
	})
	token := b.Link()
	revoked := b.Link()
	revokeLink(b, b.Store, revoked)
	good := url.Values{"token": {token}}
	inBody := func(more ...string) url.Values {
		values := url.Values{"token": {token}, "client_id": {testbridge.BackendID},
			"client_secret": {testbridge.BackendSecret}}
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
		want   string // the error code; empty: an active token
	}{
		{"Basic", good, nil, 200, ""},
		{"Basic, second secret", good, basicAuth(testbridge.BackendID, newSecret), 200, ""},
		{"in the body", inBody(), withoutAuth, 200, ""},
		{"a hint", url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}, nil, 200, ""},
		{"form-encoded Basic", good,
			basicAuth(url.QueryEscape(testbridge.BackendID), url.QueryEscape(testbridge.BackendSecret)), 200, ""},
		{"the id in the body too", url.Values{"token": {token}, "client_id": {testbridge.BackendID}}, nil, 200, ""},
		{"charset", good, func(q *http.Request) {
			q.Header.Set("Content-Type",
				"application/x-www-form-urlencoded;charset=UTF-8")
		}, 200, ""},

		{"revoked", url.Values{"token": {revoked}}, nil, 200, inactive},
		{"unknown", url.Values{"token": {bridge.NewToken(bridge.AccessTokenKind, [32]byte{1})}}, nil, 200, inactive},
		{"malformed", url.Values{"token": {"x' OR 1=1 --"}}, nil, 200, inactive},
		{"very long", url.Values{"token": {strings.Repeat("a", 5000)}}, nil, 200, inactive},
		{"another kind", url.Values{"token": {"aob_rt_" + strings.TrimPrefix(token, "aob_at_")}}, nil, 200, inactive},
		{"its hash", url.Values{"token": {string(bridge.HashOf(token))}}, nil, 200, inactive},
		{"in other case", url.Values{"token": {strings.ToUpper(token)}}, nil, 200, inactive},
		{"another backend's skill", good, basicAuth(testbridge.LightsBackendID, testbridge.LightsSecret), 200, inactive},

		{"no token", url.Values{"x": {"y"}}, nil, 400, "invalid_request"},
		{"empty token", url.Values{"token": {""}}, nil, 400, "invalid_request"},
		{"repeated token", url.Values{"token": {token, token}}, nil, 400, "invalid_request"},
		{"repeated hint", url.Values{"token": {token}, "token_type_hint": {"a", "b"}}, nil, 400, "invalid_request"},
		{"long user id", url.Values{"token": {token}, "alexa_user_id": {strings.Repeat("a", 256)}}, nil, 400,
			"invalid_request"},
		{"both ways at once", inBody(), nil, 400, "invalid_request"},
		{"another id in the body", url.Values{"token": {token}, "client_id": {testbridge.LightsBackendID}}, nil, 400,
			"invalid_request"},
		{"repeated secret", inBody("client_secret", testbridge.BackendSecret), withoutAuth, 400, "invalid_request"},
		{"repeated id", inBody("client_id", testbridge.BackendID), withoutAuth, 400, "invalid_request"},
		{"two headers", good, func(q *http.Request) { q.Header.Add("Authorization", "Basic eDp5") }, 400, "invalid_request"},

		{"no credentials", good, withoutAuth, 401, "invalid_client"},
		{"wrong secret", good, basicAuth(testbridge.BackendID, testbridge.LightsSecret), 401, "invalid_client"},
		{"empty secret", good, basicAuth(testbridge.BackendID, ""), 401, "invalid_client"},
		{"unknown backend", good, basicAuth("unknown", testbridge.BackendSecret), 401, "invalid_client"},
		{"the skill itself", good, basicAuth("pizza", testbridge.BackendSecret), 401, "invalid_client"},
		{"secret's beginning", good, basicAuth(testbridge.BackendID, testbridge.BackendSecret[:31]), 401, "invalid_client"},
		{"the token as Bearer", good, func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+token) }, 401,
			"invalid_client"},
		{"broken Basic", good, func(q *http.Request) { q.Header.Set("Authorization", "Basic ???") }, 401, "invalid_client"},
		{"no credentials and no token", url.Values{"x": {"y"}}, withoutAuth, 401, "invalid_client"},

		{"in the URL", url.Values{"x": {"y"}}, func(q *http.Request) { q.URL.RawQuery = good.Encode() }, 400,
			"invalid_request"},
		{"credentials in the URL", good, func(q *http.Request) {
			withoutAuth(q)
			q.URL.RawQuery = inBody().Encode()
		}, 401, "invalid_client"},
		{"GET", nil, func(q *http.Request) { q.Method = http.MethodGet }, 405, "invalid_request"},
		{"too large", url.Values{"token": {strings.Repeat("a", 8192)}}, nil, 413, "invalid_request"},
		{"JSON", good, func(q *http.Request) { q.Header.Set("Content-Type", "application/json") }, 415, "invalid_request"},
		{"no type", good, func(q *http.Request) { q.Header.Del("Content-Type") }, 415, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := lookupRequest(b, tt.form)
			if tt.change != nil {
				tt.change(request)
			}
			response, body := b.Do(request)
			wantJSONHeader(t, response)
			switch {
			case tt.status != http.StatusOK:
				wantErrorResponse(t, response, body, tt.status, tt.want)
			case response.StatusCode != http.StatusOK, tt.want == "" && !strings.Contains(body, `"active":true`),
				tt.want == inactive && body != inactive:
				t.Errorf("status %d, %s, want %q", response.StatusCode, body, tt.want)
			}
			if tt.status == http.StatusMethodNotAllowed && !strings.Contains(body, "Use POST") {
				t.Errorf("the description does not name POST: %s", body)
			}
		})
	}
}

// Claims that are stored for the allow rules only are not returned.
func TestLookupClaims(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Skill.Claims = []string{"name", "phone_number"}
		b.Skill.Allow.EmailDomains = []string{"contoso.com"}
	})
	token := b.Link()
	if claims := b.Lookup(token).Claims; len(claims) != 1 || claims["name"] != "Ada Lovelace" {
		t.Errorf("claims %v", claims)
	}
	b.Skill.Claims = nil
	b.Restart()
	_, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	if !strings.Contains(body, `"claims":{}`) {
		t.Errorf("without claims: %s", body)
	}
}
