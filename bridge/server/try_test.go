package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// ticketURL makes a ticket for the skill "pizza" as the command try does.
func (b *testBridge) ticketURL() string {
	b.Helper()
	content, err := json.Marshal(bridge.Ticket{ClientID: "pizza"})
	if err != nil {
		b.Fatal(err)
	}
	secret := bridge.NewTicketSecret()
	handle := bridge.HashOf(secret)
	err = b.Store.CreatePendingConsent(b.Context(), bridge.PendingConsent{
		Handle:    handle,
		Sealed:    b.Config.Keys.Seal(bridge.TicketPurpose, content, []byte(handle)),
		ExpiresAt: b.Clock.Now().Add(bridge.TicketLifetime),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.KeepSecret(secret)
	return b.Origin + "/try/" + secret
}

// trySignIn goes from the page of a ticket through the provider's sign-in.
func (b *testBridge) trySignIn(phone *simulator.Phone, target string) *simulator.Page {
	b.Helper()
	start := b.Open(phone, target)
	b.WantPage(start, http.StatusOK, "You are about to sign in")
	return b.SubmitLogin(phone, b.Submit(phone, start, url.Values{}), testbridge.Ada())
}

func TestTry(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Skill.Allow.Groups = []string{"inventors"}
		b.Config.Providers[0].Scopes = append(b.Config.Providers[0].Scopes, "offline_access")
	})
	target := b.ticketURL()
	preview, phone := simulator.NewPhone(), simulator.NewPhone()
	b.WantPage(b.Open(preview, target), http.StatusOK, "You are about to sign in") // uses up nothing

	page := b.trySignIn(phone, target)
	b.WantPage(page, http.StatusOK, "This account may not link the skill.")
	for _, want := range []string{
		"does not hold: none of the 2 values of the claim groups matches", "a2b4c6", "ada@contoso.com", "alexa-users",
		b.Provider.Issuer(), "(ID token)",
	} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the result lacks %q:\n%s", want, page.Body)
		}
	}
	for _, hidden := range []string{"nonce", "at_hash", "eyJ"} {
		if strings.Contains(page.Body, hidden) {
			t.Errorf("the result has %q", hidden)
		}
	}
	b.WantLogged(map[string]any{"msg": "test sign-in finished", "client_id": "pizza", "allowed": false})
	b.WantMetric(`bridge_sign_ins_started_total{client_id="pizza",provider="corp"} 0`)
	b.WantMetric(`bridge_sign_ins_returned_total{client_id="pizza",provider="corp"} 0`)

	b.WantPage(b.Submit(preview, b.Open(preview, target), url.Values{}), http.StatusNotFound,
		"This test sign-in has ended")
	b.Skill.Allow.Groups = nil
	b.Restart()
	b.WantPage(b.trySignIn(phone, target), http.StatusOK, "This account may link the skill.")
	b.Clock.Advance(bridge.TicketLifetime)
	b.WantPage(b.Open(phone, target), http.StatusNotFound, "This test sign-in has ended")
	b.WantPage(b.Open(phone, b.Origin+"/try/"+bridge.NewTicketSecret()), http.StatusNotFound,
		"This test sign-in has ended")
	b.WantPage(b.Open(phone, target[:len(target)-1]+"-"), http.StatusNotFound, "This test sign-in has ended")
	b.WantLogged(map[string]any{"error": "the ticket is malformed"})
	b.WantLinks(0)
}

// TestTryFailure verifies that an operator sees the cause that a person does not.
func TestTryFailure(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Config.Providers[0].ClientSecret = "expired-secret" })
	b.KeepSecret("expired-secret")
	phone, target := simulator.NewPhone(), b.ticketURL()
	page := b.trySignIn(phone, target)
	b.WantPage(page, http.StatusOK, "The sign-in failed.")
	for _, want := range []string{"misconfigured, at token", "invalid_client", "compare client_id and client_secret"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page lacks %q:\n%s", want, page.Body)
		}
	}
	b.WantLogged(map[string]any{"msg": "test sign-in failed", "level": "WARN"})
	b.Provider.SetDown(true)
	b.Restart()
	b.Clock.Advance(time.Minute)
	b.WantPage(b.Submit(phone, b.Open(phone, target), url.Values{}), http.StatusOK, "The sign-in failed.")
}

// TestTryIsNotForOthers sends what browsers and other sites send without a person.
func TestTryIsNotForOthers(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	target := b.ticketURL()
	for name, test := range map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"HEAD":         {"HEAD", nil, http.StatusMethodNotAllowed},
		"prefetch":     {"GET", map[string]string{"Sec-Purpose": "prefetch"}, http.StatusForbidden},
		"another site": {"POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
	} {
		request := b.NewRequest(test.method, target, nil)
		for header, value := range test.header {
			request.Header.Set(header, value)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.status || len(response.Cookies()) != 0 {
			t.Errorf("%s: status %d, cookies %v; want %d and none", name, response.StatusCode, response.Cookies(), test.status)
		}
	}
	b.WantPage(b.trySignIn(simulator.NewPhone(), target), http.StatusOK, "This account may link the skill.") // not used up
}
