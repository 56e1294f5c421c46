//go:build strict

package server_test

import (
	"net/http"
	"net/url"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestPanvaSignOut signs Ada out at the provider on one of two phones. The provider sends a logout token with sub and
// sid.
func TestPanvaSignOut(t *testing.T) {
	t.Parallel()
	for action, kept := range map[bridge.LogoutAction]bool{
		bridge.LogoutRechecks: false, // there is no refresh token to ask by
		bridge.LogoutRevokes:  false,
		bridge.LogoutIgnored:  true,
	} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			p := startPanva(t, onLogout(action))
			phone, first := p.signedInPhone()
			_, second := p.signedInPhone()
			for _, link := range p.Links() {
				if link.Account.Session == "" || link.Account.Subject != testbridge.Ada().Subject {
					t.Errorf("account %+v", link.Account)
				}
			}
			p.signOut(phone)
			if got := p.Lookup(first).Active; got != kept {
				t.Errorf("active: %v, want %v", got, kept)
			}
			p.WantActive(second) // another session
			outcome := map[bool]string{true: "kept", false: "revoked"}[kept]
			p.WantMetric(`bridge_backchannel_logouts_total{outcome="` + outcome + `",provider="corp"} 1`)
		})
	}
}

// TestPanvaSignOutWithRefreshToken signs Ada out at a provider whose refresh tokens for offline_access survive that:
// her account lives, and so does the link.
func TestPanvaSignOutWithRefreshToken(t *testing.T) {
	t.Parallel()
	p := startPanva(t, offlineOnLogout(bridge.LogoutRechecks))
	phone, token := p.signedInPhone()
	p.signOut(phone)
	p.WantMetric(`bridge_backchannel_logouts_total{outcome="nothing_revoked",provider="corp"} 1`)
	p.Server.Recheck(t.Context())
	p.WantActive(token)
	p.wantOutcome("alive", "1")
}

// signedInPhone returns a phone with a session of Ada's at the provider, and the token of a link that was made on it.
func (p *panva) signedInPhone() (*simulator.Phone, string) {
	p.Helper()
	phone, request := simulator.NewPhone(), p.Request()
	return phone, p.WantToken(request, p.Decide(phone, p.SignIn(phone, request, testbridge.Ada()), "link"))
}

// signOut signs out at the provider, which waits for the responses to its logout tokens (RP-Initiated Logout 1.0).
func (p *panva) signOut(phone *simulator.Phone) {
	p.Helper()
	page := p.Open(phone, p.issuer+"/session/end")
	if end := p.Submit(phone, page, url.Values{"logout": {"yes"}}); end.Status != http.StatusOK {
		p.Fatalf("at %s, status %d: %s", end.URL, end.Status, end.Body)
	}
}
