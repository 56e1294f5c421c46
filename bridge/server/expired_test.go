package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// action is something that a person can do for ten minutes.
type action func() *simulator.Page

// expiringStep is a step of a sign-in.
type expiringStep struct {
	change func(*testBridge) // of the configuration; nil: none
	// begin does what comes before, and returns what can be done next.
	begin  func(b *testBridge, phone *simulator.Phone) []action
	passed time.Duration // of the ten minutes when begin returns
	status int           // of the page of every action after ten minutes
	title  string
}

func expiringSteps() map[string]expiringStep {
	const endedTest = "This test sign-in has ended"
	return map[string]expiringStep{
		"callback": {nil, beginCallback, 0, http.StatusBadRequest, startAgain},
		"callback without consent": {func(b *testBridge) { b.Skill.Consent = false }, beginCallback, 0,
			http.StatusBadRequest, startAgain},
		"consent": {nil, beginConsent, 0, http.StatusBadRequest, startAgain},
		"consent that is loaded again": {nil, func(b *testBridge, phone *simulator.Phone) []action {
			actions := beginConsent(b, phone)
			b.Clock.Advance(9 * time.Minute)
			b.WantPage(actions[0](), http.StatusOK, "Ada Lovelace")
			return actions
		}, 9 * time.Minute, http.StatusBadRequest, startAgain},
		"another account": {nil, func(b *testBridge, phone *simulator.Phone) []action {
			page := b.SignIn(phone, b.Request(), testbridge.Ada())
			b.Clock.Advance(9 * time.Minute)
			login := b.Decide(phone, page, "switch") // a new sign-in begins
			return []action{func() *simulator.Page { return b.SubmitLogin(phone, login, testbridge.Hedy()) }}
		}, 0, http.StatusBadRequest, startAgain},
		"refused account": {func(b *testBridge) { b.Skill.Allow.Groups = []string{"nobody"} }, beginConsent, 0,
			http.StatusBadRequest, startAgain},
		"set-up fault": {func(b *testBridge) { b.Config.Providers[0].ClientSecret = "expired-secret" }, beginConsent, 0,
			http.StatusBadRequest, startAgain},
		"test sign-in": {nil, func(b *testBridge, phone *simulator.Phone) []action {
			start := b.Open(phone, b.ticketURL())
			return []action{
				func() *simulator.Page { return b.Open(phone, start.URL.String()) },
				func() *simulator.Page { return b.Submit(phone, start, url.Values{}) },
			}
		}, 0, http.StatusNotFound, endedTest},
		"test sign-in, once more": {nil, func(b *testBridge, phone *simulator.Phone) []action {
			target := b.ticketURL()
			b.WantPage(b.trySignIn(phone, target), http.StatusOK, "This account may link the skill.")
			start := b.Open(phone, target)
			return []action{func() *simulator.Page { return b.Submit(phone, start, url.Values{}) }}
		}, 0, http.StatusNotFound, endedTest},
		"callback of a test sign-in": {nil, func(b *testBridge, phone *simulator.Phone) []action {
			login := b.Submit(phone, b.Open(phone, b.ticketURL()), url.Values{})
			return []action{func() *simulator.Page { return b.SubmitLogin(phone, login, testbridge.Ada()) }}
		}, 0, http.StatusBadRequest, startAgain},
	}
}

func beginCallback(b *testBridge, phone *simulator.Phone) []action {
	callback := b.CallbackURL(phone, b.Request())
	return []action{func() *simulator.Page { return b.Open(phone, callback) }}
}

// beginConsent signs in up to the page that offers decisions. It can also be loaded again.
func beginConsent(b *testBridge, phone *simulator.Phone) []action {
	page := b.SignIn(phone, b.Request(), testbridge.Ada())
	actions := []action{func() *simulator.Page { return b.Open(phone, page.URL.String()) }}
	for _, decision := range []string{"link", "cancel", "switch"} {
		actions = append(actions, func() *simulator.Page { return b.Decide(phone, page, decision) })
	}
	return actions
}

// TestTenMinutes does the first that a person can do a second before ten minutes have passed, and all of it when they
// have. Then no code is sent to the provider, and no link is made.
func TestTenMinutes(t *testing.T) {
	t.Parallel()
	for name, step := range expiringSteps() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, func(b *testBridge) {
				if step.change != nil {
					step.change(b)
				}
			})
			b.Clock.Hold()
			inTime := step.begin(b, simulator.NewPhone())[0]
			b.Clock.Advance(10*time.Minute - time.Second - step.passed)
			if page := inTime(); page.Status == step.status {
				t.Errorf("in time: status %d: %s", page.Status, page.Body)
			}
			actions := step.begin(b, simulator.NewPhone())
			links, exchanges := len(b.Links()), b.Provider.Requests("/oauth/token")
			b.Clock.Advance(10*time.Minute - step.passed)
			for _, late := range actions {
				b.WantPage(late(), step.status, step.title)
			}
			b.WantExchanges(exchanges)
			b.WantLinks(links)
		})
	}
}

// TestCodeLifetime redeems codes a second before they expire, and when they have.
func TestCodeLifetime(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{time.Minute, 10 * time.Minute} {
		b := startBridge(t, withCodeGrant, func(b *testBridge) { b.Skill.CodeLifetime = lifetime })
		b.Clock.Hold()
		code, late := b.Code(""), b.Code("")
		b.Clock.Advance(lifetime - time.Second)
		b.WantTokens(b.Exchange(code))
		b.Clock.Advance(time.Second)
		wantCodeRejected(b, late)
	}
}
