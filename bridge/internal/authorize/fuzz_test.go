package authorize

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/keys"
)

// A redirect URI is accepted only if it is one of the skill's, byte for byte.
func FuzzRedirectURI(f *testing.F) {
	skill := &bridge.Skill{ClientID: "pizza", Provider: "corp", Grants: []bridge.Grant{bridge.GrantImplicit},
		RedirectURIs: alexa.RedirectURIs("M2AAAAAAAAAAAA")}
	h := &Handler{}
	h.Clients, h.Log = clients.New([]*bridge.Skill{skill}, nil, nil, nil), slog.New(slog.DiscardHandler)
	h.Sampler = httperror.NewSampler(time.Now)
	for _, uri := range skill.RedirectURIs {
		f.Add("client_id=pizza&response_type=token&redirect_uri=" + url.QueryEscape(uri))
		f.Add("client_id=pizza&response_type=token&redirect_uri=" + uri)
		f.Add("client_id=pizza&redirect_uri=" + url.QueryEscape(uri) + "&redirect_uri=https://evil.example")
	}
	f.Fuzz(func(t *testing.T, query string) {
		request, err := h.parseRequest(t.Context(), query)
		_, isOAuth := errors.AsType[*oauth.Error](err) // an error that is sent to the redirect URI
		accepted := err == nil || isOAuth
		if accepted && !slices.Contains(skill.RedirectURIs, request.RedirectURI) {
			t.Errorf("%q is accepted", request.RedirectURI)
		}
		if !accepted && request.RedirectURI != "" {
			t.Errorf("an invalid request keeps its redirect URI %q", request.RedirectURI)
		}
	})
}

// The fragment parses to exactly the parameters of the response, whatever the state is.
func FuzzFragment(f *testing.F) {
	f.Add("A2SAAEAE", "aob_at_x")
	f.Add("a&access_token=evil#=%20+ \r\n", "t")
	f.Add("\xff\x00", "&")
	f.Fuzz(func(t *testing.T, state, token string) {
		request := &bridge.AuthorizationRequest{RedirectURI: alexa.RedirectURIs("M2AAAAAAAAAAAA")[1], State: state,
			ResponseType: "token"}
		location := tokenResponse(request, token, time.Hour)
		base, fragment, _ := strings.Cut(location, "#")
		if base != request.RedirectURI || strings.ContainsAny(fragment, "# \r\n+\"<>\\") {
			t.Fatalf("location %q", location)
		}
		want := url.Values{"token_type": {"Bearer"}, "expires_in": {"3600"}}
		for name, value := range map[string]string{"state": state, "access_token": token} {
			if value != "" {
				want.Set(name, value)
			}
		}
		got, err := url.ParseQuery(fragment)
		if err != nil || got.Encode() != want.Encode() {
			t.Errorf("read %v, %v; want %v", got, err, want)
		}
		for pair := range strings.SplitSeq(fragment, "&") { // as a script reads it, which does not decode +
			name, value, _ := strings.Cut(pair, "=")
			if decoded, err := url.PathUnescape(value); err != nil || decoded != want.Get(name) {
				t.Errorf("a script decodes %s = %q, %v", name, decoded, err)
			}
		}
	})
}

// No cookie opens but one that was sealed here, and it opens unchanged.
func FuzzCookie(f *testing.F) {
	secret, err := keys.Parse(keys.Generate()) // another in each process that fuzzes, like the cookie
	if err != nil {
		f.Fatal(err)
	}
	jar := newCookieJar(keys.NewRing(secret), true)
	now := time.Now()
	sealed := newFlow(bridge.AuthorizationRequest{ClientID: "pizza", State: "s\x00\xff"}, "corp", now)
	recorder := httptest.NewRecorder()
	if err := jar.put(recorder, httptest.NewRequest("GET", "/", nil), sealed); err != nil {
		f.Fatal(err)
	}
	good := recorder.Result().Cookies()[0]
	f.Add(sealed.id(), good.Name, good.Value)
	f.Add(sealed.id(), good.Name, good.Value[1:])
	f.Add("AAAAAAAAAAAAAAAA", "__Host-login-AAAAAAAAAAAAAAAA", good.Value)
	f.Fuzz(func(t *testing.T, id, name, value string) {
		request := httptest.NewRequest("GET", "/", nil)
		request.AddCookie(&http.Cookie{Name: name, Value: value})
		found, ok := jar.find(request, id, now)
		if !ok {
			return
		}
		if value != good.Value || name != good.Name || id != sealed.id() {
			t.Fatalf("opened a cookie that was not sealed here: %q", value)
		}
		if found.seed != sealed.seed || found.request != sealed.request || found.provider != "corp" {
			t.Errorf("opened to %+v", found)
		}
	})
}

func TestFlowSecrets(t *testing.T) {
	now := time.Now()
	a := newFlow(bridge.AuthorizationRequest{}, "corp", now)
	b := newFlow(bridge.AuthorizationRequest{}, "corp", now)
	secrets := map[string]bool{}
	for _, f := range []*flow{a, b} {
		login := f.login()
		for _, secret := range []string{login.State, login.Nonce, login.Verifier, string(f.handle()), f.formToken(),
			strings.TrimPrefix(f.accessToken(), string(bridge.AccessTokenKind))} {
			if len(secret) < 43 || secrets[secret] {
				t.Errorf("%q is short or not unique", secret)
			}
			secrets[secret] = true
		}
	}
	again := &flow{seed: a.seed}
	if again.accessToken() != a.accessToken() || again.id() != a.id() {
		t.Error("the same seed derives another flow")
	}
	if !a.expired(now.Add(flowLifetime)) || a.expired(now.Add(flowLifetime-time.Second)) {
		t.Error("the flow does not expire after ten minutes")
	}
}

func TestCookieTooLarge(t *testing.T) {
	jar := newCookieJar(keys.NewRing(bytes.Repeat([]byte{1}, keys.SecretSize)), true)
	request := bridge.AuthorizationRequest{
		ClientID: strings.Repeat("c", 128), RedirectURI: strings.Repeat("r", 255), ResponseType: "token",
		CodeChallenge: strings.Repeat("h", 43), State: strings.Repeat("x", bridge.MaxStateBytes),
	}
	request.Scope = strings.Repeat("s", bridge.MaxRequestBytes-128-255-len("corp"))
	longest := newFlow(request, "corp", time.Now())
	longest.signedIn = time.Now()
	if err := jar.put(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), longest); err != nil {
		t.Errorf("the longest request that a configuration permits does not fit: %v", err)
	}
	request.Scope = strings.Repeat("s", 1000)
	if err := jar.put(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil),
		newFlow(request, "corp", time.Now())); err == nil {
		t.Error("a cookie is set that no browser accepts")
	}
}
