//go:build strict

package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// disable deletes the account of a person at the provider.
func (p *panva) disable(subject string) {
	p.Helper()
	response, err := http.Get(p.issuer + "/disable?" + url.Values{"subject": {subject}}.Encode())
	if err != nil {
		p.Fatal(err)
	}
	response.Body.Close()
}

// everyMinute is a change to a bridge: it rechecks after a minute, since the clock of the provider does not move with
// the test, and its ID tokens expire.
func everyMinute() func(*testBridge) {
	return offline(func(policy *bridge.AccountPolicy) { policy.RecheckAfter = time.Minute })
}

// The provider replaces its refresh tokens. They survive that the person signs out, which ends no link, and not the end
// of the account, which does.
func TestPanvaRecheck(t *testing.T) {
	t.Parallel()
	p := startPanva(t, everyMinute())
	phone, request := simulator.NewPhone(), p.Request()
	token := p.WantToken(request, p.Decide(phone, p.SignIn(phone, request, testbridge.Ada()), "link"))
	for range 10 {
		p.recheck(time.Minute, token)
	}
	p.wantOutcome("alive", "10")
	p.wantRequests("/token", 11)

	confirm := p.Open(phone, p.issuer+"/session/end")
	if end := p.Submit(phone, confirm, url.Values{"logout": {"yes"}}); end.Status != http.StatusOK {
		t.Fatalf("at %s, status %d: %s", end.URL, end.Status, end.Body)
	}
	p.recheck(time.Minute, token)
	p.WantActive(token)
	p.wantOutcome("alive", "11")
	p.wantOutcome("unknown", "0")

	p.disable(testbridge.Ada().Subject)
	p.recheck(time.Minute, token)
	p.wantEnded(token, bridge.ReasonAccountGone)
	p.wantOutcome("gone", "1")
}

// While the provider is down, nobody can tell, and no link ends. Nothing was sent to it, so that there is no doubt
// about what it says when it runs again: here, that it knows none of the refresh tokens of the process before.
func TestPanvaRecheckWhileDown(t *testing.T) {
	p := startPanva(t, everyMinute())
	phone, request := simulator.NewPhone(), p.Request()
	token := p.WantToken(request, p.Decide(phone, p.SignIn(phone, request, testbridge.Ada()), "link"))
	p.recheck(time.Minute, token)
	p.wantOutcome("alive", "1")
	p.kill()
	for range 3 { // of which the first pauses the others
		p.recheck(time.Minute, token)
	}
	p.WantActive(token)
	p.wantOutcome("gone", "0")
	p.start()
	p.recheck(time.Hour/2, token)
	p.wantEnded(token, bridge.ReasonAccountGone)
}

// The directory ends a link at once, while the provider would still renew the sign-in.
func TestPanvaDeprovision(t *testing.T) {
	t.Parallel()
	p := startPanva(t, everyMinute(), func(b *testBridge) {
		policy := b.Config.Accounts["corp"]
		withSCIM(bridge.SCIMExternalID, "sub")(b)
		policy.SCIM = b.Config.Accounts["corp"].SCIM
		b.Config.Accounts["corp"] = policy
	})
	phone, request := simulator.NewPhone(), p.Request()
	token := p.WantToken(request, p.Decide(phone, p.SignIn(phone, request, testbridge.Ada()), "link"))
	p.recheck(time.Minute, token)
	p.wantOutcome("alive", "1")
	user := p.WantSCIM(http.StatusCreated, http.MethodPost, "/Users",
		`{"userName": "ada", "externalId": "`+testbridge.Ada().Subject+`", "active": true}`)
	p.WantActive(token)
	p.WantSCIM(http.StatusOK, http.MethodPatch, "/Users/"+user["id"].(string),
		`{"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}`)
	p.wantEnded(token, bridge.ReasonDeprovisioned)
}
