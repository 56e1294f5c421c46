package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

const skillSecret = "wm3NBJ8dGq0cXkT2pZ7vYh5sRf9aLe4u"

// startBridge starts a bridge whose skill "pizza" has both grants, and returns the settings of the skill.
func startBridge(t *testing.T, change func(*bridge.Skill)) (*testbridge.Bridge, simulator.Linking) {
	t.Helper()
	b := testbridge.Start(t, func(b *testbridge.Bridge) {
		b.Skill.Grants = append(b.Skill.Grants, bridge.GrantAuthorizationCode)
		b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(skillSecret)}
		b.Skill.AccessLifetime, b.Skill.CodeLifetime = time.Hour, time.Minute
		change(b.Skill)
	})
	b.KeepSecret(skillSecret)
	return b, simulator.Linking{
		AuthorizationURI: b.Origin + "/authorize", TokenURI: b.Origin + "/token", ClientID: "pizza",
		ClientSecret: skillSecret,
		Scopes:       []string{"orders"},
	}
}

// link signs Ada in, presses Link, and returns the parameters with which her phone comes back.
func link(t *testing.T, request simulator.Request) url.Values {
	t.Helper()
	response, err := simulator.NewPhone().Link(request,
		url.Values{"login": {testbridge.Ada().Login}, "password": {testbridge.Ada().Password}, "action": {"sign-in"}},
		url.Values{"decision": {"link"}})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// TestLinking plays Alexa against a bridge, in every way in which a skill can be set up.
func TestLinking(t *testing.T) {
	t.Parallel()
	uris := alexa.RedirectURIs(testbridge.VendorID)
	for name, change := range map[string]func(*bridge.Skill, *simulator.Linking){
		"Basic":          func(*bridge.Skill, *simulator.Linking) {},
		"in the body":    func(_ *bridge.Skill, l *simulator.Linking) { l.InBody = true },
		"PKCE":           func(s *bridge.Skill, l *simulator.Linking) { s.RequirePKCE, l.PKCE = true, true },
		"rotated tokens": func(s *bridge.Skill, _ *simulator.Linking) { s.RotateRefresh = true },
		"no scopes":      func(_ *bridge.Skill, l *simulator.Linking) { l.Scopes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, linking := startBridge(t, func(s *bridge.Skill) { change(s, &simulator.Linking{}) })
			change(b.Skill, &linking)
			for i, uri := range uris {
				if err := linking.CheckStart(t.Context(), linking.NewRequest([]string{"code", "token"}[i%2], uri)); err != nil {
					t.Errorf("%s: %v", uri, err)
				}
			}
			if token := link(t, linking.NewRequest("token", uris[1])).Get("access_token"); !strings.HasPrefix(token, "aob_at_") {
				t.Errorf("access token %q", token)
			}
			request := linking.NewRequest("code", uris[0])
			tokens, err := linking.Exchange(t.Context(), request, link(t, request).Get("code"))
			if err != nil || tokens.ExpiresIn != 3600 {
				t.Fatalf("%+v, %v", tokens, err)
			}
			var steps []string
			newest, err := linking.CheckRefresh(t.Context(), tokens, func(step string) { steps = append(steps, step) })
			if err != nil || len(steps) != 4 || newest.AccessToken == tokens.AccessToken ||
				(newest.RefreshToken != tokens.RefreshToken) != b.Skill.RotateRefresh {
				t.Errorf("%v, after %q", err, steps)
			}
		})
	}
}

// TestCheckStart verifies what Alexa finds wrong before anybody signs in.
func TestCheckStart(t *testing.T) {
	t.Parallel()
	b, linking := startBridge(t, func(s *bridge.Skill) { s.RequirePKCE = true })
	uri := alexa.RedirectURIs(testbridge.VendorID)[0]
	for _, tt := range []struct {
		name   string
		change func(*simulator.Request)
		want   string
	}{
		{"wrong redirect URI", func(r *simulator.Request) { r.RedirectURI += "X" },
			"error page (status 400): This skill asked for a wrong address"},
		{"wrong client", func(r *simulator.Request) { r.ClientID = "x" },
			"error page (status 400): This skill is not known here"},
		{"no PKCE", func(*simulator.Request) {}, "it redirects to Alexa with the error invalid_request"},
		{"wrong path", func(r *simulator.Request) { r.AuthorizationURI += "/" }, "error page (status 404)"},
		{"no server", func(r *simulator.Request) { r.AuthorizationURI = "http://127.0.0.1:1/" }, "127.0.0.1:1: dial tcp"},
	} {
		request := linking.NewRequest("code", uri)
		tt.change(&request)
		if err := linking.CheckStart(t.Context(), request); err == nil || !strings.Contains(err.Error(), tt.want) ||
			strings.Contains(err.Error(), request.State) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	b.Skill.RequirePKCE = false
	b.Restart()
	if err := linking.CheckStart(t.Context(), linking.NewRequest("code", uri)); err != nil {
		t.Error(err)
	}
}

// TestResponse verifies which redirects are not those of a link.
func TestResponse(t *testing.T) {
	t.Parallel()
	code := simulator.Request{ResponseType: "code", State: "s", RedirectURI: "https://example.com/"}
	token := simulator.Request{ResponseType: "token", State: "s", RedirectURI: "https://example.com/"}
	for _, tt := range []struct {
		request simulator.Request
		at      string
		want    string // of the error; empty: none
	}{
		{code, "?code=c&state=s", ""},
		{token, "#access_token=t&state=s", ""},
		{code, "#code=c&state=s", "another state"},
		{code, "?code=c&state=S", "another state"},
		{code, "?state=s", "no code in its query"},
		{token, "?access_token=t&state=s", "another state"},
		{token, "#state=s", "no access_token in its fragment"},
		{code, "?state=s&error=access_denied&error_description=no", "the error access_denied: no"},
		{token, "#state=s;access_token=t", "cannot be read"},
	} {
		at, err := url.Parse(tt.request.RedirectURI)
		if err != nil {
			t.Fatal(err)
		}
		query, fragment, _ := strings.Cut(tt.at, "#")
		at.RawQuery = strings.TrimPrefix(query, "?")
		at.Fragment = fragment
		_, err = tt.request.Response(at)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.request.ResponseType, tt.at, err, tt.want)
		}
	}
}

// TestCredentials verifies that the credentials are where the developer console says.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, inBody := range []bool{true, false} {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			id, secret, inHeader := r.BasicAuth()
			if inBody {
				id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
			}
			if id != "pizza" || secret != skillSecret || inHeader == inBody || r.PostForm.Has("client_secret") != inBody {
				t.Errorf("in the body: %v; header %v, form %v", inBody, r.Header, r.PostForm)
			}
		}))
		linking := simulator.Linking{TokenURI: server.URL, ClientID: "pizza", ClientSecret: skillSecret, InBody: inBody}
		linking.Refresh(t.Context(), "r")
		server.Close()
	}
}

// exchange is the n-th request to a token endpoint, from 1, and the response that a good server gives.
type exchange struct {
	n        int
	sent     string // the refresh token
	response map[string]any
}

// tokenServer is a token endpoint that a function lets misbehave. The function returns the status.
func tokenServer(t *testing.T, misbehave func(exchange) (status int)) simulator.Linking {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := exchange{int(n.Add(1)), r.PostFormValue("refresh_token"), map[string]any{
			"access_token": "a", "refresh_token": "r", "token_type": "bearer", "expires_in": 3600,
		}}
		status := misbehave(e)
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(e.response)
	}))
	t.Cleanup(server.Close)
	return simulator.Linking{TokenURI: server.URL}
}

// TestMisbehavingServer verifies that each mistake of an authorization server that ends links is found.
func TestMisbehavingServer(t *testing.T) {
	t.Parallel()
	with := func(key string, value any) func(exchange) int {
		return func(e exchange) int { e.response[key] = value; return http.StatusOK }
	}
	without := func(key string, from int) func(exchange) int {
		return func(e exchange) int {
			if e.n >= from {
				delete(e.response, key)
			}
			return http.StatusOK
		}
	}
	answering := func(status int) func(exchange) int {
		return func(e exchange) int { clear(e.response); return status }
	}
	invalid := func(when func(exchange) bool) func(exchange) int {
		return func(e exchange) int {
			if !when(e) {
				return http.StatusOK
			}
			clear(e.response)
			e.response["error"], e.response["error_description"] = "invalid_grant", "used before"
			return http.StatusBadRequest
		}
	}
	for _, tt := range []struct {
		name      string
		misbehave func(exchange) int
		want      string // of the error; empty: none
	}{
		{"good", with("scope", "x"), ""},
		{"no refresh token in a refresh", func(e exchange) int {
			return max(without("refresh_token", 2)(e), invalid(func(e exchange) bool { return e.n > 1 && e.sent != "r" })(e))
		}, ""},
		{"no refresh token at all", without("refresh_token", 1), "no refresh_token"},
		{"a refresh token for once", func(e exchange) int {
			e.response["refresh_token"] = fmt.Sprint("r", e.n)
			return invalid(func(e exchange) bool { return e.n > 1 && e.sent != fmt.Sprint("r", e.n-1) })(e)
		}, "the same refresh token again, as after a lost response: " +
			"the token endpoint answers invalid_grant (status 400): used before"},
		{"one at a time", invalid(func(e exchange) bool { return e.n == 5 }),
			"4 refreshes at once: the token endpoint answers invalid_grant"},
		{"not after concurrent ones", invalid(func(e exchange) bool { return e.n == 8 }),
			"a refresh after all of these: the token endpoint"},
		{"no expires_in in a refresh", without("expires_in", 2), "a refresh: the response has no expires_in"},
		{"expires_in is text", with("expires_in", "3600"), "expires_in of the response is a string"},
		{"expires too soon", with("expires_in", 300), "is 300, and Alexa needs 360 or more"},
		{"no access token", without("access_token", 1), "no access_token"},
		{"another token type", with("token_type", "mac"), `token_type of the response is "mac"`},
		{"outage", answering(503), "answers without an error code (status 503)"},
		{"redirect", answering(302), "(status 302)"},
	} {
		linking := tokenServer(t, tt.misbehave)
		tokens, err := linking.Exchange(t.Context(), simulator.Request{}, "c")
		if err == nil {
			_, err = linking.CheckRefresh(t.Context(), tokens, func(string) {})
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	_, err := simulator.Linking{TokenURI: page.URL}.Refresh(t.Context(), "r")
	if err == nil || !strings.Contains(err.Error(), `answers "text/plain" with status 404, and not JSON`) {
		t.Errorf("a page: %v", err)
	}
}
