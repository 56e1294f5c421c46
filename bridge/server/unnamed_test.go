package server_test

import (
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

const unmatchedLinks = "older links match no logout, revocation or deactivation of the provider"

// olderLink stores a link as it was made before the sub of the ID token was recorded.
func (b *testBridge) olderLink(subjectClaim string) {
	b.Helper()
	now := b.Clock.Now()
	made := bridge.NewLink{SignedInAt: now, Token: bridge.HashOf(bridge.NewLinkID()), Link: bridge.Link{
		ID: bridge.NewLinkID(), ClientID: b.Skill.ClientID, Grant: bridge.GrantImplicit, CreatedAt: now,
		Identity: bridge.Identity{Subject: "ada", Provider: bridge.Provider{
			ID: "corp", Issuer: b.Config.Providers[0].Issuer, SubjectClaim: subjectClaim,
		}},
	}}
	pending := bridge.PendingConsent{Handle: bridge.HashOf(made.Link.ID), ExpiresAt: now.Add(time.Minute)}
	if err := b.Store.CreatePendingConsent(b.Context(), pending); err != nil {
		b.Fatal(err)
	}
	if err := b.Store.Link(b.Context(), pending.Handle, made); err != nil {
		b.Fatal(err)
	}
}

// At the start, links are counted that the provider cannot name: those without the sub of their ID token.
func TestOlderLinksAreCounted(t *testing.T) {
	t.Parallel()
	scim := func(claim string) bridge.SCIM {
		return bridge.SCIM{Tokens: []bridge.Secret{bridge.NewSecret("t")}, Attribute: bridge.SCIMExternalID, Claim: claim}
	}
	tests := map[string]struct {
		policy bridge.AccountPolicy
		want   float64
	}{
		"nothing is configured":        {bridge.AccountPolicy{}, 0},
		"logout is ignored":            {bridge.AccountPolicy{OnLogout: bridge.LogoutIgnored}, 0},
		"logout revokes":               {bridge.AccountPolicy{OnLogout: bridge.LogoutRevokes}, 2},
		"logout rechecks":              {bridge.AccountPolicy{OnLogout: bridge.LogoutRechecks}, 2},
		"global token revocation":      {bridge.AccountPolicy{UniversalLogout: true}, 3},
		"SCIM by the subject":          {bridge.AccountPolicy{SCIM: scim("sub")}, 0},
		"SCIM by a claim":              {bridge.AccountPolicy{SCIM: scim("employee_id")}, 3},
		"SCIM by a claim, and logouts": {bridge.AccountPolicy{SCIM: scim("employee_id"), OnLogout: bridge.LogoutRevokes}, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, func(b *testBridge) { b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": tt.policy} })
			b.Link()
			for _, claim := range []string{"sub", "oid", "oid"} {
				b.olderLink(claim)
			}
			b.Server.LogUnnamed(t.Context())
			if tt.want > 0 {
				b.WantLogged(map[string]any{"level": "INFO", "msg": unmatchedLinks, "provider": "corp", "links": tt.want,
					"or_more": false})
			} else if strings.Contains(b.Logs.String(), "older links") {
				t.Errorf("%s", b.Logs)
			}
		})
	}
}

func TestOlderLinksAreCountedAtTheStart(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {OnLogout: bridge.LogoutRevokes}}
	})
	b.olderLink("oid")
	stop := b.RunBackground()
	defer stop()
	b.Logs.Wait(t, 0, unmatchedLinks)
}
