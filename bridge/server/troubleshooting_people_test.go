package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

func pageTroubles(faults *providerFaults) []trouble {
	page := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Pages", row: row, configure: configure, produce: produce}
	}
	down := func(b *testBridge) { b.Provider.SetDown(true) }
	return []trouble{
		page("This skill is not known here", nil, openChanged(func(r *simulator.Request) { r.ClientID = "nobody" })),
		page("asked for a wrong address", nil,
			openChanged(func(r *simulator.Request) { r.RedirectURI = "https://evil.example/" })),
		page("Please start again", nil, func(b *testBridge) string {
			return b.Open(simulator.NewPhone(), b.CallbackURL(simulator.NewPhone(), b.Request())).Body
		}),
		page("You have answered this already", nil, func(b *testBridge) string {
			phone, request := simulator.NewPhone(), b.Request()
			consent := b.SignIn(phone, request, testbridge.Ada())
			b.WantToken(request, b.Decide(phone, consent, "link"))
			return b.Open(phone, consent.URL.String()).Body
		}),
		page("Please use another account", withAda(bridge.Allow{Groups: []string{"inventors"}}, sameAda), signIn),
		page("This sign-in is not set up correctly", withWrongSecret, signIn),
		page("Please sign in once more", nil, callback("code", "made-up-code")),
		page("This page cannot be loaded again", nil, send("GET", "/consent", nil)),
		page("This answer did not come", nil, send("POST", "/consent", url.Values{}, header("Sec-Fetch-Site", "cross-site"))),
		page("sign-in does not answer", down, open),
		page("This test sign-in has ended", nil, send("GET", "/try/"+bridge.NewTicketSecret(), nil)),
		page("Please open this in your browser", nil, callback("error", "disallowed_useragent")),
		page("We cannot save this right now", nil, broken(failing())),
		page("You could not be signed in", nil, func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Submit(phone, b.Open(phone, b.Origin+"/links?provider=corp"), url.Values{"action": {"cancel"}}).Body
		}),
		page("your links cannot be shown", withWrongSecret, func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.SubmitLogin(phone, b.Open(phone, b.Origin+"/links?provider=corp"), testbridge.Ada()).Body
		}),
		page("| Nothing was changed |", nil,
			send("POST", "/links/unlink", url.Values{}, header("Sec-Fetch-Site", "cross-site"))),
		page("You are not signed in any more", nil, send("POST", "/links/unlink", url.Values{})),
		page("We cannot reach your links", nil, func(b *testBridge) string {
			store := &brokenLinks{Store: b.Store}
			b.ReplaceStore(store)
			store.list.Store(true)
			phone := simulator.NewPhone()
			return b.SubmitLogin(phone, b.Open(phone, b.Origin+"/links?provider=corp"), testbridge.Ada()).Body
		}),
		page("sign-in is busy", func(*testBridge) { faults.answer(tokenPath, http.StatusTooManyRequests, "") }, signIn),
		page("Please wait a minute", withLimits,
			tooMany(send("GET", "/try/x", nil, header("X-Forwarded-For", "198.51.100.1")))),
		page("This page was fetched ahead", nil, send("GET", "/authorize", nil, header("Sec-Purpose", "prefetch"))),
		page("This address is not used", nil, send("POST", "/authorize", url.Values{})),
		page("Something went wrong", nil, broken(func(context.Context, string) error { panic("a mistake") })),
		page("There is nothing here", nil, send("GET", "/nowhere", nil)),
		page("an error page of the provider", func(b *testBridge) {
			b.Config.Providers[0].ID, b.Skill.Provider = "unregistered", "unregistered"
			b.Config.Skills = b.Config.Skills[:1]
		}, func(b *testBridge) string {
			page := b.Open(simulator.NewPhone(), b.Request().URL())
			if page.Status < 400 || !strings.HasPrefix(page.URL.String(), b.Provider.Issuer()) {
				b.Errorf("at %s, status %d, want an error of the provider", page.URL, page.Status)
			}
			b.WantLogged(map[string]any{"msg": "sign-in started", "provider": "unregistered"})
			return page.Body
		}),
	}
}

func reasonTroubles() []trouble {
	reason := func(reason bridge.Reason, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Reasons", row: "| `" + string(reason) + "`", configure: configure, produce: produce}
	}
	domains := bridge.Allow{EmailDomains: []string{"contoso.com"}}
	decide := func(decision string) func(*testBridge) string {
		return func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Decide(phone, b.SignIn(phone, b.Request(), testbridge.Ada()), decision).Body
		}
	}
	return []trouble{
		reason(bridge.ReasonProviderRefused, nil, func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Submit(phone, b.Open(phone, b.Request().URL()), url.Values{"action": {"cancel"}}).Body
		}),
		reason(bridge.ReasonEmailMissing, withAda(domains, func(p *upstreamtest.Person) { p.Email = "" }), signIn),
		reason(bridge.ReasonEmailUnverified,
			withAda(domains, func(p *upstreamtest.Person) { p.EmailVerified = false }), signIn),
		reason(bridge.ReasonEmailDomain, withAda(bridge.Allow{EmailDomains: []string{"fabrikam.com"}}, sameAda), signIn),
		reason(bridge.ReasonGroups, withAda(bridge.Allow{Groups: []string{"inventors"}}, sameAda), signIn),
		reason(bridge.ReasonGroupsOverage, withOverage, signIn),
		reason(bridge.ReasonClaim, withAda(bridge.Allow{Claims: allowClaim("hd", "contoso.com")}, sameAda), signIn),
		reason(bridge.ReasonOtherProvider, nil, func(b *testBridge) string {
			phone := simulator.NewPhone()
			consent := b.SignIn(phone, b.Request(), testbridge.Ada())
			withSubject("oid")(b)
			b.Restart()
			return b.Decide(phone, consent, "link").Body
		}),
		reason(bridge.ReasonRequestTooLarge, func(b *testBridge) {
			b.Skill.RedirectURIs = []string{"https://alexa.example/" + strings.Repeat("x", 2000)}
		}, func(b *testBridge) string {
			request := b.Request()
			request.RedirectURI, request.State = b.Skill.RedirectURIs[0], strings.Repeat("s", bridge.MaxStateBytes)
			return send("GET", request.URL(), nil)(b)
		}),
		reason(bridge.ReasonSignInRevoked, nil, func(b *testBridge) string {
			phone := simulator.NewPhone()
			consent := b.SignIn(phone, b.Request(), testbridge.Ada())
			b.EndAda(false)
			defer b.Clock.Advance(time.Second) // so that Ada can sign in again
			return b.Decide(phone, consent, "link").Body
		}),
		reason(bridge.ReasonCancelled, nil, decide("cancel")),
		reason("unauthorized_client", nil, openChanged(func(r *simulator.Request) { r.ResponseType = "id_token" })),
		reason("invalid_request", nil, func(b *testBridge) string {
			return b.Open(simulator.NewPhone(), b.Request().URL()+"&scope=menu").Body
		}),
	}
}
