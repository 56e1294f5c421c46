package server_test

import (
	"net/http"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// EndAda revokes what Ada has at the provider, as links revoke does, or erases it, as links forget does.
func (b *testBridge) EndAda(forget bool) {
	b.Helper()
	filter := bridge.LinkFilter{Provider: "corp", Subject: testbridge.Ada().Subject}
	by := bridge.Revocation{Reason: bridge.ReasonOperator, Actor: "command:ada@host", At: b.Clock.Now()}
	end := b.Store.Revoke
	if forget {
		end = b.Store.Forget
	}
	if _, err := end(b.Context(), filter, by); err != nil {
		b.Fatal(err)
	}
}

// wantSignInRevoked checks that a page says that the sign-in does not count any more, and the log why.
func wantSignInRevoked(b *testBridge, page *simulator.Page) {
	b.Helper()
	b.WantPage(page, http.StatusForbidden, "Please sign in once more")
	b.WantLogged(map[string]any{"msg": "not linked", "reason": "sign_in_revoked", "level": "WARN", "client_id": "pizza"})
	for _, link := range b.Links() {
		if !link.Revoked() {
			b.Errorf("a live link: %+v", link)
		}
	}
}

// TestSignInRevoked ends a person whose consent page is open. They must sign in again.
func TestSignInRevoked(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"revoke": false, "forget": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, withCodeGrant)
			phone, request := simulator.NewPhone(), b.Request()
			codePhone, codeRequest := simulator.NewPhone(), b.CodeRequest()
			consent := b.SignIn(phone, request, testbridge.Ada())
			codeConsent := b.SignIn(codePhone, codeRequest, testbridge.Ada())
			other := b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Hedy())
			b.WantPage(other, http.StatusOK, "Hedy Lamarr")
			b.EndAda(forget)
			page := b.Decide(phone, consent, "link")
			wantSignInRevoked(b, page)
			wantSignInRevoked(b, b.Decide(phone, consent, "link")) // again
			wantSignInRevoked(b, b.Decide(codePhone, codeConsent, "link"))
			b.WantMetric(`bridge_links_refused_total{client_id="pizza",reason="sign_in_revoked"} 3`)
			b.WantError(codeRequest, b.Decide(codePhone, codeConsent, "cancel"), "access_denied")

			b.Clock.Advance(time.Second)
			b.WantActive(b.LinkAgain(phone, request, page))
			b.WantTokens(b.Exchange(b.Code("")))
		})
	}
}

// TestSignInOfAnotherPersonStays ends a person whom the open consent page is not about.
func TestSignInOfAnotherPersonStays(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
	consent := b.SignIn(phone, request, testbridge.Hedy())
	b.EndAda(false)
	b.WantActive(b.WantToken(request, b.Decide(phone, consent, "link")))
}

// TestCodeOfRevokedPerson ends a person whose code Alexa has not presented yet.
func TestCodeOfRevokedPerson(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	code := b.Code("")
	b.EndAda(false)
	wantCodeRejected(b, code)
}

// TestHeldCallback ends a person who has signed in at the provider, and whose browser has not brought the provider's
// response yet, or brings it again.
func TestHeldCallback(t *testing.T) {
	t.Parallel()
	for name, brought := range map[string]bool{"held": false, "brought again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t)
			phone := simulator.NewPhone()
			callback := b.CallbackURL(phone, b.Request())
			if brought {
				b.Open(phone, callback)
			}
			b.Clock.Advance(time.Second) // the provider says in whole seconds when she authenticated
			b.EndAda(false)
			b.Clock.Advance(2 * time.Second)
			consent := b.Open(phone, callback)
			b.WantPage(consent, http.StatusOK, "Ada Lovelace")
			wantSignInRevoked(b, b.Decide(phone, consent, "link"))
		})
	}
}

// TestHeldCallbackWithoutConsentPage is the same for a skill whose links are made at the callback.
func TestHeldCallbackWithoutConsentPage(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.Consent = false })
	phone, request := simulator.NewPhone(), b.Request()
	callback := b.CallbackURL(phone, request)
	b.Clock.Advance(time.Second)
	b.EndAda(false)
	b.Clock.Advance(2 * time.Second)
	page := b.Open(phone, callback)
	wantSignInRevoked(b, page)
	b.WantPage(b.SubmitLogin(phone, b.Decide(phone, page, "switch"), testbridge.Ada()), http.StatusOK, "Ada Lovelace")
}

// TestSignInAfterRevocation ends a person who is at the provider's sign-in page, and authenticates there afterwards, as
// the provider says.
func TestSignInAfterRevocation(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Clock.Advance(-time.Minute) // the provider's clock is the wall clock
	phone, request := simulator.NewPhone(), b.Request()
	login := b.Open(phone, request.URL())
	b.EndAda(false)
	b.Clock.Advance(30 * time.Second)
	consent := b.SubmitLogin(phone, login, testbridge.Ada())
	b.WantActive(b.WantToken(request, b.Decide(phone, consent, "link")))
}

// TestSignInByTheProvidersClock ends a person who has just signed in at a provider whose clock is ahead.
func TestSignInByTheProvidersClock(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Clock.Advance(-time.Minute)
	phone := simulator.NewPhone()
	consent := b.SignIn(phone, b.Request(), testbridge.Ada())
	b.EndAda(false)
	wantSignInRevoked(b, b.Decide(phone, consent, "link"))
}

// TestEndedLinksLoseClaims verifies that links which a person can make without end leave no claims behind.
func TestEndedLinksLoseClaims(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, func(b *testBridge) { b.Skill.MaxLinksPerPerson = 1 })
	b.Code("")
	b.Clock.Advance(b.Skill.CodeLifetime + bridge.RedeemGrace)
	if _, err := b.Store.Sweep(t.Context(), bridge.Sweep{Now: b.Clock.Now(), Limit: 100}); err != nil {
		t.Fatal(err)
	}
	b.Link()
	b.Clock.Advance(time.Second)
	live := b.Link()
	for i, want := range []bridge.Reason{bridge.ReasonNotRedeemed, bridge.ReasonReplaced, ""} {
		link := b.Links()[i]
		if link.Reason != want || link.Subject != testbridge.Ada().Subject || len(link.Claims) > 0 != (want == "") {
			t.Errorf("%q: %+v", want, link)
		}
	}
	if claims := b.Lookup(live).Claims; claims["email"] != testbridge.Ada().Email {
		t.Errorf("the live link has %v", claims)
	}
}
