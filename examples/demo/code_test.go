package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

func newCodeVisit(t *testing.T) *visit {
	t.Helper()
	v := newVisit(t)
	v.grant = bridge.GrantAuthorizationCode
	for _, name := range []string{"skill_secret", "backend_secret", "provider_secret", "bridge_key", "scim_token",
		"admin_secret"} {
		secret, err := os.ReadFile(filepath.Join(v.demo.folder, name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(string(secret))
		v.secrets = append(v.secrets, text, base64.StdEncoding.EncodeToString([]byte(skillClientID+":"+text)),
			base64.StdEncoding.EncodeToString([]byte(backendID+":"+text)))
	}
	return v
}

// note records and returns Alexa's secrets, which never pass through a browser.
func (v *visit) note() account {
	now := v.demo.alexa.snapshot()
	v.secrets = append(v.secrets, now.Token, now.Refresh)
	if now.Pending != nil {
		v.secrets = append(v.secrets, now.Pending.CodeVerifier)
	}
	return now
}

func TestCodeGrant(t *testing.T) {
	v := newCodeVisit(t)
	consent := v.signIn("ada")
	if verifier := v.note().Pending.CodeVerifier; len(verifier) != 43 {
		t.Fatalf("a verifier of %d characters", len(verifier))
	}
	linked := v.arrive(v.submit(consent, url.Values{"decision": {"link"}}))
	first := v.note()
	v.want(linked, http.StatusOK, "Your account is linked", "response_type=code", "code_challenge_method=S256",
		"&iss="+v.demo.origins.Bridge,
		"?code=aob_ac_", "grant_type=authorization_code", "code_verifier=", "Authorization: Basic cGl6…",
		`"expires_in": 3600`, `"refresh_token": "aob_rt_`)
	if linked.URL.RawQuery != "" {
		t.Error("the code is still in the address bar")
	}
	v.want(v.press("/ask", nil), http.StatusOK, "Hello Ada", "let the hour pass")

	v.want(v.press("/later", nil), http.StatusOK, "An hour later", "will get a new access token")
	again := v.press("/ask", nil)
	second := v.note()
	v.want(again, http.StatusOK, "Hello Ada", "grant_type=refresh_token", "refresh_token=aob_rt_",
		"Now end the link")
	if second.Token == first.Token || second.Refresh != first.Refresh || second.Expired() {
		t.Errorf("another access token %t, same refresh token %t, expired %t", second.Token != first.Token,
			second.Refresh == first.Refresh, second.Expired())
	}

	v.want(v.press("/revoke", nil), http.StatusOK, "revoked lnk_", "Ask the skill again.")
	v.want(v.press("/ask", nil), http.StatusOK, `"active": false`, "Link account", "Let an hour pass")
	v.want(v.press("/later", nil), http.StatusOK, "and fail.")
	v.want(v.press("/ask", nil), http.StatusOK, `"error": "invalid_grant"`, "Your account is not linked any more",
		"please link your account in the Alexa app", "Link account")
	if lost := v.note(); lost.Token != "" || lost.Refresh != "" || !lost.Unlinked {
		t.Errorf("access token %t, refresh token %t", lost.Token != "", lost.Refresh != "")
	}
	v.want(v.link("grace"), http.StatusOK, "Your account is linked")
}

func TestCodeGrantNotLinked(t *testing.T) {
	t.Run("the skill's allow does not hold", func(t *testing.T) {
		v := newCodeVisit(t)
		v.want(v.arrive(v.submit(v.signIn("guest"), url.Values{"decision": {"cancel"}})), http.StatusOK,
			"Your account is not linked", "access_denied: The account was not linked.", "&iss=")
	})
	t.Run("another verifier", func(t *testing.T) {
		v := newCodeVisit(t)
		end := v.submit(v.signIn("ada"), url.Values{"decision": {"link"}})
		v.demo.alexa.update(v.note(), func(now *account) {
			other := *now.Pending
			other.CodeVerifier = strings.Repeat("x", 43)
			now.Pending = &other
		})
		v.note()
		v.want(v.arrive(end), http.StatusOK, "Your account is not linked", "invalid_grant")
	})
	t.Run("another secret", func(t *testing.T) {
		v := newCodeVisit(t)
		v.demo.alexa.secret = strings.Repeat("x", 43)
		v.want(v.link("ada"), http.StatusOK, "Your account is not linked", "invalid_client")
	})
	t.Run("nothing that expires", func(t *testing.T) {
		v := newVisit(t)
		v.want(v.link("ada"), http.StatusOK, "Your account is linked")
		v.want(v.press("/later", nil), http.StatusOK, "Your account is linked")
		if v.demo.alexa.snapshot().Expired() {
			t.Error("an implicit token has expired")
		}
	})
}

// TestForeignCode sends Alexa responses that are not the response to its request. They must change nothing, and no
// code must be sent to a token endpoint.
func TestForeignCode(t *testing.T) {
	v := newCodeVisit(t)
	end := v.submit(v.signIn("ada"), url.Values{"decision": {"link"}})
	for _, test := range []struct {
		name   string
		change func(answer url.Values)
	}{
		{"another state", func(answer url.Values) { answer.Set("state", "another") }},
		{"no state", func(answer url.Values) { answer.Del("state") }},
		{"another iss", func(answer url.Values) { answer.Set("iss", "https://link.example.com") }},
		{"iss with a slash at its end", func(answer url.Values) { answer.Set("iss", answer.Get("iss")+"/") }},
		{"no iss", func(answer url.Values) { answer.Del("iss") }},
		{"error with another iss", func(answer url.Values) {
			answer.Del("code")
			answer.Set("error", "access_denied")
			answer.Set("iss", "https://link.example.com")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v.T = t
			answer := end.URL.Query()
			test.change(answer)
			v.want(v.come(answer.Encode()), http.StatusBadRequest, "The account was not linked")
			v.wantUntouched()
		})
	}
	v.T = t
	v.want(v.press("/arrived", url.Values{"fragment": {end.URL.RawQuery}}), http.StatusBadRequest,
		"The account was not linked")
	v.want(v.come("%zz"), http.StatusBadRequest, "The account was not linked")
	v.wantUntouched()

	v.want(v.arrive(end), http.StatusOK, "Your account is linked")
	v.want(v.arrive(end), http.StatusBadRequest, "The account was not linked")
	v.want(v.press("/ask", nil), http.StatusOK, "Hello Ada")
}

func (v *visit) wantUntouched() {
	v.Helper()
	now := v.demo.alexa.snapshot()
	if now.Token != "" || now.Problem != "" || now.Pending == nil || now.Pending.CodeVerifier == "" {
		v.Errorf("the account has changed: token %t, problem %q, pending %t", now.Token != "", now.Problem,
			now.Pending != nil)
	}
	for _, section := range v.demo.transcript.snapshot() {
		if slices.ContainsFunc(section.Steps, func(s step) bool { return s.From == partyAlexa && s.To == partyBridge }) {
			v.Error("a code was sent to the bridge")
		}
	}
}

// TestRefresh tests what Alexa does after each response to a refresh request.
func TestRefresh(t *testing.T) {
	const soon = time.Minute
	for _, test := range []struct {
		name    string
		status  int
		body    string
		fails   bool
		token   string
		refresh string
		lost    bool
	}{
		{"new access token", 200, `{"access_token":"a2","token_type":"Bearer","expires_in":3600}`, false, "a2", "r1", false},
		{"new pair", 200, `{"access_token":"a2","token_type":"Bearer","refresh_token":"r2","expires_in":3600}`,
			false, "a2", "r2", false},
		{"the end of the link", 400, `{"error":"invalid_grant"}`, false, "", "", true},
		{"cannot tell now", 503, `{"error":"temporarily_unavailable"}`, true, "a1", "r1", false},
		{"not authenticated", 401, `{"error":"invalid_client"}`, true, "a1", "r1", false},
		{"not a bridge", 200, `<html>`, true, "a1", "r1", false},
		{"nothing", 200, `{}`, true, "a1", "r1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id, secret, _ := r.BasicAuth()
				if r.URL.Path != "/token" || id != skillClientID || secret != "secret" || r.PostFormValue("refresh_token") != "r1" {
					t.Errorf("%s asked as %q", r.URL.Path, id)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				w.Write([]byte(test.body))
			}))
			defer server.Close()
			alexa := newFakeAlexa(origins{Bridge: server.URL}, "secret", nil, &transcript{})
			alexa.account = account{UserID: "user", Token: "a1", Refresh: "r1", ExpiresAt: time.Now().Add(-soon)}
			if err := alexa.refresh(t.Context()); (err != nil) != test.fails {
				t.Errorf("error %v", err)
			}
			if now := alexa.snapshot(); now.Token != test.token || now.Refresh != test.refresh || now.Unlinked != test.lost {
				t.Errorf("has %q and %q, lost %t; want %q and %q, %t", now.Token, now.Refresh, now.Unlinked, test.token,
					test.refresh, test.lost)
			}
		})
	}
	t.Run("not due", func(t *testing.T) {
		alexa := newFakeAlexa(origins{Bridge: "http://127.0.0.1:1"}, "secret", nil, &transcript{})
		alexa.account = account{UserID: "user", Token: "a1", Refresh: "r1", ExpiresAt: time.Now().Add(soon)}
		if err := alexa.refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
