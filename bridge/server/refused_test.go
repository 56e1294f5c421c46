package server_test

import (
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestRefusedAccount signs in with an account that may not link, which the provider would choose again and again.
func TestRefusedAccount(t *testing.T) {
	t.Parallel()
	for name, consent := range map[string]bool{"with consent": true, "without consent": false} {
		t.Run(name, func(t *testing.T) {
			b := startBridge(t, func(b *testBridge) {
				b.Skill.Consent = consent
				b.Skill.Allow.Groups = []string{"inventors"}
			})
			phone, request := simulator.NewPhone(), b.Request()
			page := b.SignIn(phone, request, testbridge.Ada())
			b.WantPage(page, http.StatusForbidden, "This account may not link Contoso Pizza")
			if !strings.Contains(page.Body, "Ada Lovelace") {
				t.Error("the page does not name the account")
			}
			b.WantLogged(map[string]any{"msg": "not linked", "level": "WARN", "reason": "groups", "client_id": "pizza",
				"error": "groups: none of the 2 values of the claim groups matches"})

			again := b.Open(phone, page.URL.String())
			b.WantPage(again, http.StatusForbidden, "This account may not link Contoso Pizza")
			if strings.Contains(again.Body, "Ada") {
				t.Error("the page names the account after it was loaded again")
			}
			b.WantPage(b.Decide(phone, page, "link"), http.StatusForbidden, "This account may not link")
			b.WantMetric(`bridge_links_refused_total{client_id="pizza",reason="groups"} 1`)
			if strings.Contains(b.Metrics(), `reason="ended"`) {
				t.Error("a page that was loaded again counts")
			}
			first := b.Decide(phone, page, "cancel")
			b.WantError(request, first, "access_denied")
			if second := b.Decide(phone, page, "cancel"); second.URL.String() != first.URL.String() {
				t.Errorf("Cancel a second time leads to %s, want %s", second.URL, first.URL)
			}

			other := b.SubmitLogin(phone, b.Decide(phone, page, "switch"), testbridge.Hedy())
			if consent {
				other = b.Decide(phone, other, "link")
			}
			b.WantToken(request, other)
			b.WantLinks(1)
		})
	}
}

// TestRefusedAccountDetails verifies that the log says why a rule does not hold.
func TestRefusedAccountDetails(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	for claim, want := range map[string]string{
		"hd":      "claims: hd: the provider sent no claim hd",
		"address": "claims: address: the claim address is empty, or neither text nor a list of texts",
		"email":   "claims: email: none of the 1 values of the claim email matches",
	} {
		b.Skill.Allow.Claims = allowClaim(claim, "nobody")
		b.Restart()
		person := testbridge.Ada()
		page := b.SignIn(simulator.NewPhone(), b.Request(), person)
		b.WantPage(page, http.StatusForbidden, "This account may not link")
		if claim == "address" {
			continue // the provider of the tests sends none
		}
		b.WantLogged(map[string]any{"reason": "claim", "error": want})
	}
}

// TestSetupFault signs in while the provider does not accept the bridge's secret.
func TestSetupFault(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Config.Providers[0].ClientSecret = "expired-secret" })
	b.KeepSecret("expired-secret")
	phone, request := simulator.NewPhone(), b.Request()
	page := b.SignIn(phone, request, testbridge.Ada())
	b.WantPage(page, http.StatusInternalServerError, "is not set up correctly")
	logged := b.WantLogged(map[string]any{"msg": "not linked", "level": "ERROR", "reason": "provider_setup",
		"stage": "token", "provider": "corp", "client_id": "pizza"})
	if hint, _ := logged["hint"].(string); !strings.Contains(hint, "client_secret") {
		t.Errorf("hint %q", hint)
	}
	if reference, _ := logged["ref"].(string); reference == "" || !strings.Contains(page.Body, reference) {
		t.Errorf("the page does not have the reference %s", reference)
	}
	b.WantMetric(`bridge_links_refused_total{client_id="pizza",reason="provider_setup"} 1`)
	b.WantPage(b.Open(phone, page.URL.String()), http.StatusInternalServerError, "is not set up correctly")
	for _, decision := range []string{"link", "switch"} {
		b.WantPage(b.Decide(phone, page, decision), http.StatusInternalServerError, "is not set up correctly")
	}
	b.WantError(request, b.Decide(phone, page, "cancel"), "server_error")
	b.WantMetric(`bridge_links_refused_total{client_id="pizza",reason="provider_setup"} 1`)
	b.WantLinks(0)
}

// TestSetupFaultInResponse lets the browser bring an error that says that the bridge is set up wrongly.
func TestSetupFaultInResponse(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
	callback := mustParse(b.CallbackURL(phone, request))
	query := callback.Query()
	query.Del("code")
	query.Set("error", "invalid_scope")
	page := b.Open(phone, b.Origin+callback.Path+"?"+query.Encode())
	b.WantPage(page, http.StatusInternalServerError, "is not set up correctly")
	b.WantLogged(map[string]any{"level": "WARN", "reason": "provider_setup", "stage": upstream.StageResponse})
}

// TestSetupFaultAtStart opens the authorization endpoint while the provider announces another issuer.
func TestSetupFaultAtStart(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Config.Providers[0].Issuer += "/"
	b.Restart()
	phone, request := simulator.NewPhone(), b.Request()
	page := b.Open(phone, request.URL())
	b.WantPage(page, http.StatusInternalServerError, "is not set up correctly")
	b.WantLogged(map[string]any{"level": "ERROR", "reason": "provider_setup", "stage": upstream.StageDiscovery})
	b.WantError(request, b.Decide(phone, page, "cancel"), "server_error")
}

// TestSignInCounters counts how many of the sign-ins that were started came back, and how many made a link.
func TestSignInCounters(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Open(simulator.NewPhone(), b.Request().URL())
	b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada())
	b.Link()
	b.WantMetric(`bridge_sign_ins_started_total{client_id="pizza",provider="corp"} 3`)
	b.WantMetric(`bridge_sign_ins_returned_total{client_id="pizza",provider="corp"} 2`)
	b.WantMetric(`bridge_links_made_total{client_id="pizza",grant="implicit",provider="corp"} 1`)
}
