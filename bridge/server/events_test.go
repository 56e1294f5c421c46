package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// The ids of the skills "pizza" and "lights" at Alexa, and a user of the first.
const (
	pizzaID, lightsID = "amzn1.ask.skill.pizza", "amzn1.ask.skill.lights"
	alexaUser         = "amzn1.ask.account.ADA"
)

// alexaSigner makes, once, the signer whose events a bridge accepts that was started withEvents.
var alexaSigner = sync.OnceValues(func() (*simulator.Signer, error) {
	return simulator.NewSigner(simulator.SignerConfig{NotAfter: time.Now().AddDate(1, 0, 0)})
})

func signerOf(b *testBridge) *simulator.Signer {
	b.Helper()
	signer, err := alexaSigner()
	if err != nil {
		b.Fatal(err)
	}
	return signer
}

// withEvents lets a bridge accept events of its skills.
func withEvents(b *testBridge) {
	b.Skill.SkillIDs, b.Config.Skills[1].SkillIDs = []string{pizzaID}, []string{lightsID}
	b.Deps.AlexaRoots, b.Deps.AlexaTransport = signerOf(b).Roots(), signerOf(b).Transport()
	b.KeepSecret(alexaUser)
}

// Linked is the event that a user has linked the skill "pizza".
func (b *testBridge) Linked(user, token string, at time.Time) string {
	b.Helper()
	return wantBody(b)(simulator.AccountLinked(pizzaID, user, token, at))
}

// Disabled is the event that a user has disabled the skill "pizza".
func (b *testBridge) Disabled(user string, at time.Time) string {
	b.Helper()
	return wantBody(b)(simulator.SkillDisabled(pizzaID, user, at))
}

func wantBody(b *testBridge) func([]byte, error) string {
	return func(body []byte, err error) string {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return string(body)
	}
}

// SendEvent sends a signed event, whose request may be changed.
func (b *testBridge) SendEvent(event string, changes ...func(*http.Request)) (*http.Response, string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.Origin+"/alexa/events",
		strings.NewReader(event))
	if err != nil {
		b.Fatal(err)
	}
	signature, err := signerOf(b).Sign([]byte(event))
	if err != nil {
		b.Fatal(err)
	}
	request.Header = signature
	request.Header.Set("Content-Type", "application/json;charset=utf-8")
	for _, change := range changes {
		change(request)
	}
	return b.Do(request)
}

// wantEvent sends an event and checks the response.
func wantEvent(b *testBridge, name, event string, status int, changes ...func(*http.Request)) {
	b.Helper()
	response, body := b.SendEvent(event, changes...)
	if status == http.StatusOK {
		if response.StatusCode != status || body != `{"version":"1.0","response":{}}` {
			b.Errorf("%s: status %d, want 200: %s", name, response.StatusCode, body)
		}
		wantJSONHeader(b, response)
		return
	}
	code := map[int]string{400: "invalid_request", 401: "invalid_client", 413: "invalid_request"}[status]
	if code == "" {
		code = "temporarily_unavailable"
	}
	if response.StatusCode != status {
		b.Errorf("%s: status %d, want %d", name, response.StatusCode, status)
	}
	wantErrorResponse(b, response, body, status, code)
}

// WantEnded checks how many links have ended, and returns them.
func (b *testBridge) WantEnded(n int) []bridge.Link {
	b.Helper()
	ended := slices.DeleteFunc(b.Links(), func(link bridge.Link) bool { return !link.Revoked() })
	if len(ended) != n {
		b.Fatalf("%d links have ended, want %d", len(ended), n)
	}
	return ended
}

// unsigned makes an event one that Alexa did not sign.
func unsigned(request *http.Request) {
	request.Header.Del("SignatureCertChainUrl")
	request.Header.Del("Signature-256")
}

// forwardedBy makes an event one that a backend forwards.
func forwardedBy(id, secret string) func(*http.Request) {
	return func(request *http.Request) {
		unsigned(request)
		request.SetBasicAuth(id, secret)
	}
}

// TestSkillDisabled links the skill, disables it in the Alexa app, and enables and links it again.
func TestSkillDisabled(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents, withProxy(600, 30))
	tied, untied := b.Link(), b.Link()
	now := b.Clock.Now()
	wantEvent(b, "linked", b.Linked(alexaUser, tied, now), http.StatusOK)
	b.WantMetric(`bridge_alexa_events_total{event="SkillAccountLinked",outcome="tied",skill="pizza"} 1`)
	wantEvent(b, "disabled by another", b.Disabled("amzn1.ask.account.HEDY", now), http.StatusOK)
	b.WantMetric(`bridge_alexa_events_total{event="SkillDisabled",outcome="nothing_revoked",skill="pizza"} 1`)
	b.WantActive(tied)

	wantEvent(b, "disabled", b.Disabled(alexaUser, now.Add(time.Second)), http.StatusOK, forwarded(honest))
	b.WantInactive(tied)
	b.WantActive(untied)
	b.WantMetric(`bridge_alexa_events_total{event="SkillDisabled",outcome="revoked",skill="pizza"} 1`)
	b.WantLogged(map[string]any{"msg": "alexa event", "client_id": "pizza", "alexa_event": "SkillDisabled",
		"outcome": "revoked", "actor": "alexa", "revoked": 1.0})
	link := b.WantEnded(1)[0]
	b.WantRecorded(bridge.AuditRecord{Event: bridge.AuditRevoked, Reason: bridge.ReasonSkillDisabled,
		Actor: bridge.ActorAlexa, ClientID: "pizza", Provider: "corp", LinkID: link.ID, Subject: link.Subject,
		Origin: bridge.Origin{Address: honest}})
	if link.Reason != bridge.ReasonSkillDisabled || link.Actor != bridge.ActorAlexa {
		t.Errorf("reason %s, actor %s", link.Reason, link.Actor)
	}

	again := b.Link()
	wantEvent(b, "linked again", b.Linked("amzn1.ask.account.NEW", again, now.Add(time.Minute)), http.StatusOK)
	wantEvent(b, "disabled, told again by another event", b.Disabled(alexaUser, now.Add(time.Second)), http.StatusOK)
	b.WantActive(again)
}

// TestSkillDisabledOrder delivers events late and in another order than they were made.
func TestSkillDisabledOrder(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	now := b.Clock.Now()
	for name, tt := range map[string]struct {
		disabledFirst bool
		linked        time.Duration // before now
		disabled      time.Duration
		ends          bool
	}{
		"in order":                             {false, 3 * time.Minute, 2 * time.Minute, true},
		"in order, late":                       {false, 50 * time.Minute, 40 * time.Minute, true},
		"disabled comes first":                 {true, 3 * time.Minute, 2 * time.Minute, true},
		"linked after it was disabled":         {false, time.Minute, 2 * time.Minute, false},
		"the same, and disabled comes first":   {true, time.Minute, 2 * time.Minute, false},
		"linked and disabled in one second":    {false, time.Minute, time.Minute, true},
		"the same, the other way round":        {true, time.Minute, time.Minute, true},
		"linked an hour after it was disabled": {true, 0, 59 * time.Minute, false},
	} {
		token, user := b.Link(), "amzn1.ask.account."+strings.ReplaceAll(name, " ", "")
		events := []string{b.Linked(user, token, now.Add(-tt.linked)), b.Disabled(user, now.Add(-tt.disabled))}
		if tt.disabledFirst {
			events[0], events[1] = events[1], events[0]
		}
		for _, event := range events {
			wantEvent(b, name, event, http.StatusOK)
		}
		if ended := !b.Lookup(token).Active; ended != tt.ends {
			t.Errorf("%s: ended: %v, want %v", name, ended, tt.ends)
		}
	}
}

// TestEventOnce delivers events again: after an outage they act, after they acted they do not.
func TestEventOnce(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	store, token := hookStore(b), b.Link()
	linked, disabled := b.Linked(alexaUser, token, b.Clock.Now()), b.Disabled(alexaUser, b.Clock.Now().Add(time.Second))
	store.be(failing("TieAlexaUser", "Revoke"))
	wantEvent(b, "linked, an outage", linked, http.StatusServiceUnavailable)
	wantEvent(b, "disabled, an outage", disabled, http.StatusServiceUnavailable)
	b.WantLogged(map[string]any{"msg": "alexa event rejected", "level": "ERROR", "reason": "unavailable",
		"client_id": "pizza"})
	store.be(working)
	wantEvent(b, "linked", linked, http.StatusOK)
	wantEvent(b, "linked again", linked, http.StatusOK)
	wantEvent(b, "disabled", disabled, http.StatusOK)
	b.WantInactive(token)
	b.Restart() // another process knows it, too
	other := b.Link()
	wantEvent(b, "another link of the user", b.Linked(alexaUser, other, b.Clock.Now().Add(2*time.Second)), http.StatusOK)
	wantEvent(b, "disabled again", disabled, http.StatusOK)
	wantEvent(b, "disabled again, by a backend", disabled, http.StatusOK,
		forwardedBy(testbridge.BackendID, testbridge.BackendSecret))
	b.WantActive(other)
	b.WantMetric(`bridge_alexa_events_total{event="SkillDisabled",outcome="replayed",skill="pizza"} 2`)
}

// TestEventOfAnotherSkill has events in which a token or a user is another skill's.
func TestEventOfAnotherSkill(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	pizza, now := b.Link(), b.Clock.Now()
	request := b.Request()
	request.ClientID, request.Scopes = "lights", nil
	lights := b.AuthorizationResponse(request, b.LinkRequest(request)).Get("access_token")
	wantActive := func(when string) {
		t.Helper()
		if !b.Lookup(pizza).Active || !b.LookupAs(testbridge.LightsBackendID, testbridge.LightsSecret, lights).Active {
			t.Errorf("%s: a link ended", when)
		}
	}
	wantEvent(b, "a token of lights", b.Linked(alexaUser, lights, now), http.StatusOK)
	b.WantLogged(map[string]any{"msg": "alexa event", "level": "WARN", "outcome": "other_link"})
	wantEvent(b, "disabled", b.Disabled(alexaUser, now.Add(time.Second)), http.StatusOK)
	wantActive("a token of lights in an event of pizza")
	b.Clock.Advance(time.Minute)
	linked := wantBody(b)(simulator.AccountLinked(lightsID, alexaUser, lights, b.Clock.Now()))
	wantEvent(b, "linked lights", linked, http.StatusOK)
	wantEvent(b, "disabled pizza", b.Disabled(alexaUser, b.Clock.Now()), http.StatusOK)
	wantActive("a user of both")
	for name, token := range map[string]string{
		"unknown": bridge.NewToken(bridge.AccessTokenKind, [32]byte{1}), "malformed": "x", "empty": "",
	} {
		wantEvent(b, "a token that is "+name, b.Linked(alexaUser, token, b.Clock.Now()), http.StatusOK)
	}
	b.WantMetric(`bridge_alexa_events_total{event="SkillAccountLinked",outcome="no_link",skill="pizza"} 3`)
}

// TestLookupTiesAlexaUser ties a link by a lookup, and disables the skill.
func TestLookupTiesAlexaUser(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	stop := b.RunBackground()
	token, other := b.Link(), b.Link()
	for user, token := range map[string]string{alexaUser: token, "amzn1.ask.account.OTHER": other} {
		form := map[string][]string{"token": {token}, "alexa_user_id": {user}}
		if response, body := b.Do(lookupRequest(b, form)); response.StatusCode != http.StatusOK {
			t.Fatalf("status %d: %s", response.StatusCode, body)
		}
	}
	stop() // writes who used which link
	wantEvent(b, "disabled", b.Disabled(alexaUser, b.Clock.Now().Add(time.Second)), http.StatusOK)
	b.WantInactive(token)
	b.WantActive(other)
}

// TestOtherEvents sends events that say nothing about a link.
func TestOtherEvents(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	token := b.Link()
	wantEvent(b, "linked", b.Linked(alexaUser, token, b.Clock.Now()), http.StatusOK)
	disabled := b.Disabled(alexaUser, b.Clock.Now().Add(time.Second))
	for i, name := range []string{"SkillEnabled", "SkillPermissionAccepted", "SkillPermissionChanged", "SomethingNew"} {
		wantEvent(b, name, strings.Replace(disabled, "SkillDisabled", name, 1), http.StatusOK)
		b.WantMetric(fmt.Sprintf(`bridge_alexa_events_total{event="other",outcome="ignored",skill="pizza"} %d`, i+1))
	}
	b.WantActive(token)
	wantEvent(b, "disabled", disabled, http.StatusOK)
	b.WantInactive(token)
}
