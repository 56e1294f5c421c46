package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/internal/testmachine"
)

// Secrets that an echoingServer gives out.
const (
	echoedCode    = "code-0123456789"
	echoedAccess  = "access-0123456789"
	echoedRefresh = "refresh+0123456789"
)

// TestSimulatePrintsNoSecrets plays against servers that say what they were sent, in every place that is printed.
func TestSimulatePrintsNoSecrets(t *testing.T) {
	t.Setenv("SIMULATE_CLIENT_SECRET", simulatedSecret)
	for _, tt := range []struct {
		failing string // the grant type that the server refuses; empty: none
		want    []string
	}{
		{"", []string{"ok       the access token is that of", "ok       the skill says", "ok       revoked"}},
		{"authorization_code", []string{"fault    the code cannot be exchanged"}},
		{"refresh_token", []string{"fault    a link does not last", "ok       the skill says"}},
	} {
		server := httptest.NewServer(echoingServer(tt.failing))
		loopback := "http://" + testmachine.FreeAddresses(t, 1)[0] + "/back"
		code, output := simulateAt(t, server.URL, loopback, "--userinfo-uri", server.URL+"/userinfo",
			"--revocation-uri", server.URL+"/revoke", "--endpoint", server.URL+"/skill")
		server.Close()
		if (code == exitDone) != (tt.failing == "") {
			t.Errorf("%s fails: exit code %d\n%s", tt.failing, code, output)
		}
		for _, want := range tt.want {
			if !strings.Contains(output, want) {
				t.Errorf("%s fails: %q is missing:\n%.3000s", tt.failing, want, output)
			}
		}
		for _, secret := range []string{
			echoedCode, echoedAccess, echoedRefresh, url.QueryEscape(echoedRefresh), simulatedSecret,
		} {
			if strings.Contains(output, secret) || len(output) > 8_000 {
				t.Errorf("%s fails: the output has %q:\n%.3000s", tt.failing, secret, output)
			}
		}
	}
}

// simulateAt runs the command against an echoingServer.
func simulateAt(t *testing.T, origin, loopback string, args ...string) (code int, output string) {
	t.Helper()
	return simulate(t, func(*url.URL) string { return "" }, append(args, "--authorization-uri", origin+"/authorize",
		"--token-uri", origin+"/token", "--client-id", "pizza", "--vendor-id", "M2AAAAAAAAAAAA", "--redirect-uri", loopback,
		"--grant", "authorization_code")...)
}

// echoingServer is an authorization server and a skill.
func echoingServer(failing string) http.Handler {
	respond := func(w http.ResponseWriter, status int, response map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(response)
	}
	said := echoedCode + " " + simulatedSecret
	if failing != "authorization_code" { // it knows no tokens yet
		said += " " + echoedAccess + " " + echoedRefresh + " " + url.QueryEscape(echoedRefresh)
	}
	said += strings.Repeat(" and so on", 1_000)
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if back := query.Get("redirect_uri"); strings.HasPrefix(back, "http://") {
			http.Redirect(w, r, back+"?code="+echoedCode+"&state="+query.Get("state"), http.StatusFound)
		}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("grant_type") == failing {
			respond(w, 400, map[string]any{"error": "invalid_grant", "error_description": said})
			return
		}
		respond(w, 200, map[string]any{
			"access_token": echoedAccess, "refresh_token": echoedRefresh, "token_type": "Bearer", "expires_in": 3600,
		})
	})
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, 200, map[string]any{"sub": said})
	})
	mux.HandleFunc("/revoke", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/skill", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, 200, map[string]any{"response": map[string]any{"outputSpeech": map[string]string{"text": said}}})
	})
	return mux
}

// TestSimulateHidesTheEndpoint whose URL may have a key, as that of a function at Azure, and follows no redirect, which
// would take the token elsewhere.
func TestSimulateHidesTheEndpoint(t *testing.T) {
	t.Setenv("SIMULATE_CLIENT_SECRET", simulatedSecret)
	server := httptest.NewServer(echoingServer(""))
	defer server.Close()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the token went elsewhere")
	}))
	defer elsewhere.Close()
	redirects := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusPermanentRedirect))
	defer redirects.Close()
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:1/": "fault    the skill does not respond: 127.0.0.1:1", redirects.URL: "status 308",
	} {
		loopback := "http://" + testmachine.FreeAddresses(t, 1)[0] + "/back"
		code, output := simulateAt(t, server.URL, loopback, "--endpoint", endpoint+"?code=key-of-the-function")
		if code != exitFailed || strings.Contains(output, "key-of-the-function") || !strings.Contains(output, want) {
			t.Errorf("%s: exit code %d\n%s", endpoint, code, output)
		}
	}
}
