package server_test

import (
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// A link that is suspended by the configuration or by an outage does not get invalid_grant, which Alexa takes for
// final.
func TestRefreshWhileSuspended(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	token := b.LinkByCode().RefreshToken
	b.Skill.Allow.Groups = []string{"nobody"}
	b.Restart()
	response, body := b.Refresh(token)
	wantErrorResponse(b, response, body, 503, "temporarily_unavailable")
	b.Skill.Allow.Groups = nil
	b.Restart()
	b.WantTokens(b.Refresh(token))
	b.Store.Close()
	response, body = b.Refresh(token)
	wantErrorResponse(b, response, body, 503, "temporarily_unavailable")
	if response.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.Restart()
	b.WantTokens(b.Refresh(token))
}

func TestRefreshLifetime(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, func(b *testBridge) { b.Skill.RefreshLifetime = 24 * time.Hour })
	b.Clock.Hold()
	token := b.LinkByCode().RefreshToken
	b.Clock.Advance(24*time.Hour - time.Second)
	b.WantTokens(b.Refresh(token))
	b.Clock.Advance(time.Second)
	wantRefreshRejected(b, token)
}

// The refresh token that a response was lost with may be presented again, until a successor is used (RFC 9700 section
// 4.14).
func TestRefreshRotation(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, func(b *testBridge) { b.Skill.RotateRefresh = true })
	root := b.LinkByCode()
	lost := b.WantTokens(b.Refresh(root.RefreshToken))
	arrived := b.WantTokens(b.Refresh(root.RefreshToken)) // the first response was lost
	if lost.RefreshToken == root.RefreshToken || arrived.RefreshToken == lost.RefreshToken {
		t.Error("the refresh token does not rotate")
	}
	b.WantTokens(b.Refresh(arrived.RefreshToken)) // which confirms it
	wantRefreshRejected(b, root.RefreshToken)
	if links := b.Links(); links[0].Reason != bridge.ReasonRefreshReplayed {
		t.Errorf("link %+v, want it revoked for a replay", links[0])
	}
	wantRefreshRejected(b, arrived.RefreshToken)
}

// Removing the code grant from a skill stops new links by it. Existing links are refreshed.
func TestRemoveCodeGrant(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	code := b.Code("")
	live := b.LinkByCode()
	b.Skill.Grants = []bridge.Grant{bridge.GrantImplicit}
	b.Restart()
	b.WantTokens(b.Refresh(live.RefreshToken))
	response, body := b.Exchange(code)
	wantErrorResponse(b, response, body, 400, "unauthorized_client")
}
