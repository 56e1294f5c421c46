package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestLogoutWhileTheProviderIsDown restarts the bridge, so that it does not know the keys.
func TestLogoutWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes), universalLogout)
	token, form := b.Link(), b.LogoutToken(nil)
	b.Provider.SetDown(true)
	wantLogout(b, "with keys that are known", b.LogoutToken(map[string]any{"sub": "e9f1a3"}), http.StatusOK)
	b.Restart()
	response, body := b.Do(b.NewRequest(http.MethodPost, "/backchannel-logout/corp", form))
	wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
	response, body = b.Revocation(issSub(b), nil)
	wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
	b.WantLogged(map[string]any{"msg": "back-channel logout failed", "reason": "unavailable", "level": "WARN"})
	b.WantActive(token)

	b.Provider.SetDown(false)
	b.Clock.Advance(retryAfter)
	wantLogout(b, "again", form, http.StatusOK)
	b.WantInactive(token)
	b.WantMetric(`bridge_backchannel_logouts_total{outcome="unavailable",provider="corp"} 1`)
}

// TestLogoutFailuresPerMinute sends invented tokens. Real ones are answered as ever, from the same address, too.
func TestLogoutFailuresPerMinute(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes), universalLogout, withProxy(600, 3))
	b.Clock.Hold()
	token := b.Link()
	for i := range 5 {
		want := http.StatusBadRequest
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		invented := url.Values{"logout_token": {fmt.Sprintf("invented.%d.x", i)}}
		wantLogout(b, "invented", invented, want, forwarded(stranger))
	}
	wantLogout(b, "nothing", url.Values{}, http.StatusTooManyRequests, forwarded(stranger))
	if response, _ := b.Revocation(issSub(b), nil, header("Authorization", "Bearer x"),
		forwarded(stranger)); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("an invented revocation: status %d", response.StatusCode)
	}
	form := b.LogoutToken(nil)
	wantLogout(b, "from the same address", form, http.StatusOK, forwarded(stranger))
	b.WantInactive(token)
	wantLogout(b, "a replay, which the provider signed", form, http.StatusBadRequest, forwarded(stranger))
	if response, body := b.Revocation(issSub(b), nil, forwarded(stranger)); response.StatusCode != http.StatusNoContent {
		t.Errorf("a revocation from the same address: status %d: %s", response.StatusCode, body)
	}
	b.WantMetric(`bridge_limited_total{route="/backchannel-logout/corp"} 3`)
}

// TestLogoutEndsSignIns ends Ada while she is at the consent page.
func TestLogoutEndsSignIns(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testBridge){
		"logout": func(b *testBridge) { wantLogout(b, "Ada", b.LogoutToken(nil), http.StatusOK) },
		"revocation by sub": func(b *testBridge) {
			b.Revocation(issSub(b), nil)
		},
		"revocation by e-mail": func(b *testBridge) { b.Revocation(email(testbridge.Ada().Email), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, onLogout(bridge.LogoutRechecks), universalLogout)
			phone, request := simulator.NewPhone(), b.Request()
			consent := b.SignIn(phone, request, testbridge.Ada())
			end(b)
			page := b.Decide(phone, consent, "link")
			wantSignInRevoked(b, page)
			b.Clock.Advance(2 * time.Second)
			b.WantActive(b.LinkAgain(phone, request, page))
		})
	}
}

// TestEndpointsThatAreOff requests the endpoints of providers that are not configured, or not for it.
func TestEndpointsThatAreOff(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	paths := []string{"/backchannel-logout/corp", "/global-token-revocation/corp"}
	wantNothing(b, paths...)
	onLogout(bridge.LogoutRevokes)(b)
	b.Restart()
	wantNothing(b, "/backchannel-logout/other", "/backchannel-logout/", "/backchannel-logout",
		"/backchannel-logout/corp/", paths[1])
	wantLogout(b, "switched on", url.Values{}, http.StatusBadRequest)
}

// wantNothing checks that paths are answered like those that do not exist.
func wantNothing(b *testBridge, paths ...string) {
	b.Helper()
	withoutReference := func(path string) string {
		response, body := b.Do(b.NewRequest(http.MethodPost, path, b.LogoutToken(nil)))
		before, after, _ := strings.Cut(body, `<p class="reference">`)
		_, after, _ = strings.Cut(after, "</p>")
		return fmt.Sprint(response.StatusCode, before, after)
	}
	want := withoutReference("/nothing")
	for _, path := range paths {
		if got := withoutReference(path); got != want || !strings.HasPrefix(got, "404") {
			b.Errorf("%s: %s\nwant %s", path, got, want)
		}
	}
}
