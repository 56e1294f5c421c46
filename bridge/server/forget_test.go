package server_test

import (
	"net/http"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestForget verifies that the tokens of a link that was erased are unknown to a server that has looked them up.
func TestForget(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	tokens, other := b.LinkByCode(), b.LinkByCode()
	b.WantActive(tokens.AccessToken)
	b.WantActive(other.AccessToken)
	by := bridge.Revocation{Reason: bridge.ReasonOperator, Actor: "command:ada@host", At: b.Clock.Now()}
	id := b.Lookup(tokens.AccessToken).LinkID
	if _, err := b.Store.Forget(t.Context(), bridge.LinkFilter{IDs: []string{id}}, by); err != nil {
		t.Fatal(err)
	}
	b.WantInactive(tokens.AccessToken)
	wantRefreshRejected(b, tokens.RefreshToken)
	b.WantActive(other.AccessToken)
	b.WantLinks(1)
}

// TestManyPendingConsents lets one person sign in more often than their consent pages are kept.
func TestManyPendingConsents(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	var phones []*simulator.Phone
	var pages []*simulator.Page
	for range bridge.MaxPendingConsents + 1 {
		phones = append(phones, simulator.NewPhone())
		pages = append(pages, b.SignIn(phones[len(phones)-1], b.Request(), testbridge.Ada()))
		b.Clock.Advance(time.Second)
	}
	b.WantPage(b.Decide(phones[0], pages[0], "link"), http.StatusBadRequest, "")
	b.WantLinks(0)
	for i := range phones[1:] {
		b.Decide(phones[i+1], pages[i+1], "link")
	}
	b.WantLinks(bridge.MaxPendingConsents)
}
