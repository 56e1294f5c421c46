package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// allowClaim returns a rule on a claim.
func allowClaim(name, value string) []bridge.ClaimRule {
	return []bridge.ClaimRule{{Name: name, AnyOf: []string{value}}}
}

// TestRejectedRequestsAreLogged sends requests that are rejected. Each leaves one line with the reference that the
// client gets, the route, the status, the address, and the cause.
func TestRejectedRequestsAreLogged(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, func(b *testBridge) {
		b.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	token := url.Values{"token": {"unknown"}}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"unknown"}}
	none := url.Values{}
	tests := []struct {
		name, method, path string
		form               url.Values
		id, secret         string
		contentType        string
		want               map[string]any
	}{
		{"wrong secret of a skill", "POST", "/token", refresh, "pizza", "wrong", "",
			map[string]any{"level": "WARN", "status": 401.0, "reason": "invalid_client", "client_id": "pizza",
				"error": "wrong secret"}},
		{"secret with a newline", "POST", "/token", refresh, "pizza", testbridge.BackendSecret + "\n", "",
			map[string]any{"level": "WARN", "status": 401.0, "client_id": "pizza"}},
		{"unknown skill", "POST", "/token", refresh, "nobody", "wrong", "",
			map[string]any{"level": "WARN", "status": 401.0, "client_id": "unknown client"}},
		{"unknown refresh token", "POST", "/token", refresh, "pizza", skillSecret, "",
			map[string]any{"level": "INFO", "status": 400.0, "reason": "invalid_grant", "client_id": "pizza"}},
		{"wrong secret of a backend", "POST", "/lookup", token, testbridge.BackendID, "wrong", "",
			map[string]any{"level": "WARN", "status": 401.0, "client_id": testbridge.BackendID, "error": "wrong secret"}},
		{"a skill's id at lookup", "POST", "/lookup", token, "pizza", skillSecret, "",
			map[string]any{"level": "WARN", "status": 401.0, "client_id": "unknown client"}},
		{"no token", "POST", "/lookup", none, testbridge.BackendID, testbridge.BackendSecret, "",
			map[string]any{"level": "INFO", "status": 400.0, "reason": "invalid_request"}},
		{"wrong secret at revoke", "POST", "/revoke", token, "pizza", "wrong", "",
			map[string]any{"level": "WARN", "status": 401.0, "client_id": "pizza"}},
		{"no bearer token", "GET", "/userinfo", nil, "", "", "", map[string]any{"status": 401.0}},
		{"a wrong method", "GET", "/token", nil, "", "", "",
			map[string]any{"status": 405.0, "reason": "method", "error": `method "GET", allowed is POST`}},
		{"JSON", "POST", "/token", none, "", "", "application/json", map[string]any{"status": 415.0, "route": "/token"}},
		{"a slash too many", "POST", "/token/", none, "", "", "", map[string]any{"level": "WARN", "status": 404.0,
			"route": "/", "hint": "the path must be exactly /token; correct it where it is configured"}},
		{"a form loaded again", "GET", "/consent", nil, "", "", "", map[string]any{"status": 405.0, "reason": "form_reload"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.Within(t)
			request := b.NewRequest(tt.method, tt.path, tt.form)
			if tt.id != "" {
				request.SetBasicAuth(tt.id, tt.secret)
			}
			if tt.contentType != "" {
				request.Header.Set("Content-Type", tt.contentType)
			}
			request.Header.Set("X-Forwarded-For", "203.0.113.9")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			lines := linesWithReference(b, string(body))
			if len(lines) != 1 {
				t.Fatalf("%d lines of the log have the reference of %s", len(lines), body)
			}
			tt.want["address"] = "203.0.113.9"
			for name, want := range tt.want {
				if got := lines[0][name]; got != want {
					t.Errorf("%s is %v, want %v in %v", name, got, want, lines[0])
				}
			}
		})
	}
}

// TestFloodOfSignIns starts more sign-ins than a log should have lines of.
func TestFloodOfSignIns(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	request := b.Request()
	request.Scopes = append(request.Scopes, "unknown")
	for range 150 {
		b.Open(simulator.NewPhone(), request.URL())
	}
	for _, message := range []string{"sign-in started", "unknown scopes dropped"} {
		if n := strings.Count(b.Logs.String(), `"msg":"`+message+`"`); n != 100 {
			t.Errorf("%d lines %s, want 100", n, message)
		}
	}
	b.Clock.Advance(time.Minute)
	b.Open(simulator.NewPhone(), request.URL())
	b.WantLogged(map[string]any{"msg": "sign-in started", "client_id": "pizza", "lines_omitted": 50.0})
}

// linesWithReference returns the lines of the log whose reference is in a response.
func linesWithReference(b *testBridge, body string) []map[string]any {
	var found []map[string]any
	for line := range strings.Lines(b.Logs.String()) {
		var logged map[string]any
		if json.Unmarshal([]byte(line), &logged) != nil || logged["level"] == "DEBUG" {
			continue
		}
		if ref, _ := logged["ref"].(string); ref != "" && strings.Contains(body, ref) {
			found = append(found, logged)
		}
	}
	return found
}
