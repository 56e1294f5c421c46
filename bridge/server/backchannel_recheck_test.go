package server_test

import (
	"net/http"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// offlineOnLogout keeps refresh tokens of the provider.
func offlineOnLogout(action bridge.LogoutAction) func(*testBridge) {
	return offline(func(p *bridge.AccountPolicy) { p.OnLogout = action })
}

// TestSignOutEndsRefreshToken signs Ada out at a provider whose refresh tokens die with that.
func TestSignOutEndsRefreshToken(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offlineOnLogout(bridge.LogoutRechecks))
	token := b.Link()
	b.Server.Recheck(t.Context()) // nothing is due
	if err := b.Provider.SignOut(t.Context(), testbridge.Ada().Login); err != nil {
		t.Fatal(err)
	}
	b.WantActive(token)
	b.WantMetric(`bridge_backchannel_logouts_total{outcome="nothing_revoked",provider="corp"} 1`)
	b.Server.Recheck(t.Context())
	b.wantEnded(token, bridge.ReasonAccountGone)
}

// TestLogoutOfAccountThatLives gets a logout token from a provider whose refresh tokens live on.
func TestLogoutOfAccountThatLives(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offlineOnLogout(bridge.LogoutRechecks))
	token := b.Link()
	wantLogout(b, "Ada", b.LogoutToken(nil), http.StatusOK)
	b.Server.Recheck(t.Context())
	b.WantActive(token)
	b.wantOutcome("alive", "1")
}

// TestLogoutRevokesInSpiteOfRefreshToken is told not to ask.
func TestLogoutRevokesInSpiteOfRefreshToken(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offlineOnLogout(bridge.LogoutRevokes))
	token := b.Link()
	wantLogout(b, "Ada", b.LogoutToken(nil), http.StatusOK)
	b.wantEnded(token, bridge.ReasonLoggedOut)
}
