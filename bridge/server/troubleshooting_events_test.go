package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

func eventTroubles() []trouble {
	rejected := func(row string, produce func(*testBridge)) trouble {
		return trouble{section: "Rejected requests", row: row, configure: withEvents, produce: doing(produce)}
	}
	skill := func(row string, produce func(*testBridge)) trouble {
		return trouble{section: "Alexa links, but the skill does not work", row: row, configure: withEvents,
			produce: doing(produce)}
	}
	disabled := func(b *testBridge) string { return b.Disabled(alexaUser, b.Clock.Now()) }
	notVerified := rejected("`not_verified`", func(b *testBridge) {
		wantEvent(b, "out of reach", disabled(b), http.StatusServiceUnavailable)
	})
	notVerified.configure = func(b *testBridge) {
		withEvents(b)
		b.Deps.AlexaTransport = brokenTransport{}
	}
	ended := skill("`skill_disabled`", nil)
	ended.produce = revoking(func(b *testBridge) {
		wantEvent(b, "linked", b.Linked(alexaUser, b.Link(), b.Clock.Now()), http.StatusOK)
		wantEvent(b, "disabled", disabled(b), http.StatusOK)
		b.Clock.Advance(time.Second)
	})
	return []trouble{
		rejected("`not_from_alexa`", func(b *testBridge) {
			wantEvent(b, "unsigned", disabled(b), http.StatusBadRequest, unsigned)
		}),
		rejected("`other_skill`", func(b *testBridge) {
			wantEvent(b, "another skill", strings.Replace(disabled(b), pizzaID, "amzn1.ask.skill.x", 1), http.StatusBadRequest)
		}),
		rejected("`not_an_event`", func(b *testBridge) {
			launch := wantBody(b)(simulator.LaunchRequest(pizzaID, "", b.Clock.Now()))
			wantEvent(b, "somebody opened the skill", launch, http.StatusBadRequest)
		}),
		notVerified,
		{section: "Rejected requests", row: "`busy`", heldBy: "events_rejected_test.go"},
		rejected("`alexa event rejected`, `unauthorized`", func(b *testBridge) {
			wantEvent(b, "a wrong secret", disabled(b), http.StatusUnauthorized, forwardedBy(testbridge.BackendID, "wrong"))
		}),
		rejected("`report of a disabled skill rejected`", func(b *testBridge) {
			disabledRequest(b, url.Values{"link_id": {"lnk_a"}}, basicAuth(testbridge.BackendID, "wrong"))
		}),
		ended,
		skill("a link lives on", func(b *testBridge) {
			b.WantActive(b.Link())
			wantEvent(b, "disabled", b.Disabled("amzn1.ask.account.OLD", b.Clock.Now()), http.StatusOK)
		}),
		skill("`other_link`", func(b *testBridge) {
			event := wantBody(b)(simulator.AccountLinked(lightsID, alexaUser, b.Link(), b.Clock.Now()))
			wantEvent(b, "a token of pizza", event, http.StatusOK)
		}),
		skill("Alexa sends no events", func(*testBridge) {}),
	}
}
