package server_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/internal/testbridge"
)

// withProxy lets requests come through a trusted proxy, with limits of their own by address.
func withProxy(requests, failures int) func(*testBridge) {
	return func(b *testBridge) {
		b.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		b.Config.Limits = server.Limits{RequestsPerMinute: requests, FailuresPerMinute: failures}
	}
}

// forwarded sets the address that a request is forwarded for.
func forwarded(address string) func(*http.Request) { return header("X-Forwarded-For", address) }

const stranger, honest = "198.51.100.1", "203.0.113.1"

// status sends a request, and returns the status of the response.
func status(b *testBridge, method, path string, form url.Values, changes ...func(*http.Request)) int {
	b.Helper()
	request := b.NewRequest(method, path, form)
	for _, change := range changes {
		change(request)
	}
	response, body := b.Do(request)
	if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") == "" {
		b.Errorf("429 without Retry-After: %s", body)
	}
	return response.StatusCode
}

// TestRequestsPerMinute floods pages from one address, which shuts out no other.
func TestRequestsPerMinute(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(5, 30))
	b.Clock.Hold()
	for i := range 8 {
		want := http.StatusSeeOther
		if i >= 5 {
			want = http.StatusTooManyRequests
		}
		if got := status(b, "GET", b.Request().URL(), nil, forwarded(stranger)); got != want {
			t.Errorf("request %d: status %d, want %d", i, got, want)
		}
	}
	for _, path := range []string{"/callback/corp", "/consent", "/try/x", "/links", "/links/unlink", "/", "/nothing",
		"/.well-known/oauth-authorization-server"} {
		if got := status(b, "GET", path, nil, forwarded(stranger)); got != http.StatusTooManyRequests {
			t.Errorf("%s: status %d, want 429", path, got)
		}
	}
	if got := status(b, "GET", b.Request().URL(), nil, forwarded(honest)); got != http.StatusSeeOther {
		t.Errorf("another address: status %d", got)
	}
	if got := status(b, "GET", b.Request().URL(), nil); got != http.StatusSeeOther { // the proxy itself: a health check
		t.Errorf("the proxy: status %d", got)
	}
	b.WantMetric(`bridge_limited_total{route="/authorize"} 3`)
	b.WantMetric(`bridge_limited_total{route="/"} 2`) // the home page, and what does not exist
	b.WantLogged(map[string]any{"reason": "too_many", "route": "/authorize", "status": 429.0, "address": stranger})
	b.Clock.Advance(12 * time.Second)
	if got := status(b, "GET", b.Request().URL(), nil, forwarded(stranger)); got != http.StatusSeeOther {
		t.Errorf("after 12 s: status %d", got)
	}
}

// TestRequestsOfAnotherSite lets a page of another site send requests in a person's browser. They do not count.
func TestRequestsOfAnotherSite(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(5, 30))
	b.Clock.Hold()
	for range 10 {
		for _, path := range []string{b.Request().URL(), "/", "/nothing", "/consent", "/callback/corp",
			"/links?provider=corp"} {
			for _, destination := range []string{"empty", "image", "iframe"} {
				if got := status(b, "GET", path, nil, forwarded(honest),
					header("Sec-Fetch-Dest", destination)); got != http.StatusForbidden {
					t.Fatalf("%s as %s: status %d", path, destination, got)
				}
			}
		}
	}
	if got := status(b, "GET", b.Request().URL(), nil, forwarded(honest),
		header("Sec-Fetch-Dest", "document")); got != http.StatusSeeOther {
		t.Errorf("the person: status %d", got)
	}
}

// TestFragmentOfStranger verifies that no redirect inherits the fragment of the URL by which a stranger sent a person.
func TestFragmentOfStranger(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	faulty := b.Request()
	faulty.ResponseType = "none"
	for what, address := range map[string]string{"to the provider": b.Request().URL(), "an error to Alexa": faulty.URL()} {
		response, _ := b.Do(b.NewRequest(http.MethodGet, address, nil))
		if location := response.Header.Get("Location"); !strings.HasSuffix(location, "#") {
			t.Errorf("%s: redirected to %s", what, location)
		}
	}
}

// TestFailuresPerMinute guesses secrets and tokens. The right ones are answered as ever, from the same address, too.
func TestFailuresPerMinute(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withProxy(600, 3), func(b *testBridge) { b.Skill.MaxLinksPerPerson = 0 })
	b.Clock.Hold()
	tokens := b.LinkByCode()
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}
	lookup := url.Values{"token": {tokens.AccessToken}}
	for _, attack := range []struct {
		path string
		form url.Values
		auth func(*http.Request)
	}{
		{"/token", refresh, basicAuth("pizza", "guess")},
		{"/lookup", lookup, basicAuth(testbridge.BackendID, "guess")},
		{"/revoke", lookup, basicAuth(testbridge.BackendID, "guess")},
		{"/userinfo", url.Values{}, header("Authorization", "Bearer "+bridge.NewRandomToken(bridge.AccessTokenKind))},
	} {
		for i := range 5 {
			want := http.StatusUnauthorized
			if i >= 3 {
				want = http.StatusTooManyRequests
			}
			if got := status(b, "POST", attack.path, attack.form, attack.auth, forwarded(stranger)); got != want {
				t.Errorf("%s, guess %d: status %d, want %d", attack.path, i, got, want)
			}
		}
		b.WantLogged(map[string]any{"route": attack.path, "status": 429.0, "reason": "too_many", "address": stranger})
		b.WantMetric(`bridge_limited_total{route="` + attack.path + `"} 2`)
		if got := status(b, "POST", attack.path, attack.form, attack.auth,
			forwarded(honest)); got != http.StatusUnauthorized {
			t.Errorf("%s from another address: status %d", attack.path, got)
		}
		for range 10 { // what is right, while the address has no failures left
			for path, auth := range map[string]func(*http.Request){
				"/token": basicAuth("pizza", skillSecret), "/lookup": basicAuth(testbridge.BackendID, testbridge.BackendSecret),
				"/userinfo": header("Authorization", "Bearer "+tokens.AccessToken),
			} {
				form := map[string]url.Values{"/token": refresh, "/lookup": lookup, "/userinfo": {}}[path]
				if got := status(b, "POST", path, form, auth, forwarded(stranger)); got != http.StatusOK {
					t.Fatalf("%s, rightly: status %d", path, got)
				}
			}
		}
		b.Clock.Advance(time.Minute)
	}
	b.WantActive(tokens.AccessToken)
}

// TestRevokeOfPublicSkill invents tokens where no secret is asked for.
func TestRevokeOfPublicSkill(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 3))
	b.Clock.Hold()
	for i := range 5 {
		want := http.StatusOK
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		form := url.Values{"client_id": {"pizza"}, "token": {bridge.NewRandomToken(bridge.AccessTokenKind)}}
		if got := status(b, "POST", "/revoke", form, forwarded(stranger)); got != want {
			t.Errorf("token %d: status %d, want %d", i, got, want)
		}
	}
	token := b.Link()
	form := url.Values{"client_id": {"pizza"}, "token": {token}}
	if got := status(b, "POST", "/revoke", form, forwarded(stranger)); got != http.StatusOK {
		t.Errorf("a live token: status %d", got)
	}
	b.WantInactive(token)
}
