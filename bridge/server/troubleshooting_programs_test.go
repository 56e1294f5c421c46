package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

func rejectedTroubles() []trouble {
	rejected := func(row string, produce func(*testBridge) string) trouble {
		return trouble{section: "Rejected requests", row: row, produce: produce}
	}
	told := func(row string, tell func(*testBridge)) trouble {
		return trouble{section: "Rejected requests", row: row, configure: withLogouts, produce: doing(tell)}
	}
	unauthorized := tooMany(send("POST", "/token", url.Values{}, basicAuth("pizza", "another"),
		header("X-Forwarded-For", "198.51.100.1")))
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"unknown"}}
	return []trouble{
		rejected("`wrong secret`", send("POST", "/token", refresh, basicAuth("pizza", "another"))),
		rejected("`unknown client`", send("POST", "/token", refresh, basicAuth("nobody", "another"))),
		rejected("`white space", send("POST", "/token", refresh, basicAuth("pizza", skillSecret+"\n"))),
		rejected("`lookup failed`", send("POST", "/lookup", url.Values{"token": {"x"}}, basicAuth("pizza", skillSecret))),
		{section: "Rejected requests", row: "status 429", configure: withLimits, produce: unauthorized},
		rejected("the path must be exactly", send("POST", "/token/", refresh)),
		told("`back-channel logout failed`, `invalid_token`", func(b *testBridge) {
			wantLogout(b, "of another client", b.LogoutToken(map[string]any{"aud": "another"}), http.StatusBadRequest)
		}),
		told("`replayed`", func(b *testBridge) {
			form := b.LogoutToken(map[string]any{"sub": "e9f1a3"})
			wantLogout(b, "first", form, http.StatusOK)
			wantLogout(b, "again", form, http.StatusBadRequest)
		}),
		told("`aud is not the URL of the endpoint`", func(b *testBridge) {
			b.Revocation(issSub(b), map[string]any{"aud": b.Config.PublicURL})
		}),
		told("`ambiguous`", func(b *testBridge) {
			b.LinkOf(bridge.Account{Subject: "ada", Email: "team@contoso.com"})
			b.LinkOf(bridge.Account{Subject: "hedy", Email: "team@contoso.com"})
			wantRevocation(b, "both", email("team@contoso.com"), http.StatusUnprocessableEntity)
		}),
		told("`global token revocation failed`, `unavailable`", func(b *testBridge) {
			hookStore(b).be(failing("Revoke"))
			wantRevocation(b, "an outage", issSub(b), http.StatusServiceUnavailable)
		}),
		rejected("redirect_uri has vendor id", openChanged(func(r *simulator.Request) {
			r.RedirectURI = strings.Replace(r.RedirectURI, testbridge.VendorID, "M3BBBBBBBBBBBB", 1)
		})),
	}
}

func skillTroubles() []trouble {
	skill := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Alexa links, but the skill does not work", row: row, configure: configure, produce: produce}
	}
	lookup := func(b *testBridge, token, id, secret string) string {
		return send("POST", "/lookup", url.Values{"token": {token}}, basicAuth(id, secret))(b)
	}
	code := url.Values{"grant_type": {"authorization_code"}, "code": {"unknown"}}
	return []trouble{
		skill("linking fails after Link was pressed", nil, send("POST", "/token", code, basicAuth("pizza", "another"))),
		skill("`reason` `invalid_grant`", nil, send("POST", "/token", code, basicAuth("pizza", skillSecret))),
		skill("nothing at all", nil, func(b *testBridge) string { return b.Code("") }),
		skill("only for some people", func(b *testBridge) { b.Skill.RedirectURIs = b.Skill.RedirectURIs[:1] }, open),
		skill("lookups return 401", nil, func(b *testBridge) string {
			return lookup(b, "x", testbridge.BackendID, skillSecret)
		}),
		skill("for a fresh link", nil, func(b *testBridge) string {
			return lookup(b, b.Link(), testbridge.LightsBackendID, testbridge.LightsSecret)
		}),
		skill("for links that worked", nil, func(b *testBridge) string {
			token := b.Link()
			withSubject("oid")(b)
			b.Restart()
			return lookup(b, token, testbridge.BackendID, testbridge.BackendSecret)
		}),
		skill("for a test link", nil, func(b *testBridge) string {
			return lookup(b, mint(b, nil), testbridge.BackendID, testbridge.BackendSecret)
		}),
		skill("the skill asks to link", func(b *testBridge) { b.Skill.TestTokens = true }, func(b *testBridge) string {
			return lookup(b, mint(b, nil), testbridge.BackendID, testbridge.BackendSecret)
		}),
		skill("`not_redeemed`", nil, revoking(func(b *testBridge) {
			b.Code("")
			b.Clock.Advance(2*time.Minute + time.Second)
			sweep(b)
		})),
		skill("lookups return 503", nil, func(b *testBridge) string {
			token, store := b.Link(), watchStore(b)
			defer store.stop()
			store.be(failing("Lookup", "ReadFeed"))
			store.wantFeedRead(b)
			return lookup(b, token, testbridge.BackendID, testbridge.BackendSecret)
		}),
		skill("refreshes return 503", nil, func(b *testBridge) string {
			tokens := b.LinkByCode()
			b.Skill.Allow.Groups = []string{"inventors"}
			b.Restart()
			_, body := b.Refresh(tokens.RefreshToken)
			return body
		}),
		skill("`replaced`", func(b *testBridge) { b.Skill.MaxLinksPerPerson = 1 }, revoking(func(b *testBridge) {
			b.Link()
			b.Link()
		})),
		skill("`refresh_replayed`", func(b *testBridge) { b.Skill.RotateRefresh = true }, revoking(func(b *testBridge) {
			first := b.LinkByCode()
			second := b.WantTokens(b.Refresh(first.RefreshToken))
			b.WantTokens(b.Refresh(second.RefreshToken))
			wantRefreshRejected(b, first.RefreshToken)
		})),
		skill("`expired`", func(b *testBridge) { b.Skill.ImplicitLifetime = time.Hour }, revoking(func(b *testBridge) {
			request := b.Request()
			b.AuthorizationResponse(request, b.LinkRequest(request))
			b.Clock.Advance(time.Hour)
			sweep(b)
		})),
		skill("`logged_out`", withLogouts, revoking(func(b *testBridge) {
			b.Link()
			wantLogout(b, "Ada", b.LogoutToken(nil), http.StatusOK)
			b.Clock.Advance(time.Second) // only sign-ins after it count
		})),
		skill("`account_revoked`", withLogouts, revoking(func(b *testBridge) {
			b.Link()
			wantRevocation(b, "Ada", issSub(b), http.StatusNoContent)
			b.Clock.Advance(time.Second)
		})),
	}
}

// withLogouts lets the provider end links.
func withLogouts(b *testBridge) {
	onLogout(bridge.LogoutRevokes)(b)
	universalLogout(b)
}

// doing does something that shows nothing.
func doing(do func(*testBridge)) func(*testBridge) string {
	return func(b *testBridge) string {
		do(b)
		return ""
	}
}

func sweep(b *testBridge) {
	b.Helper()
	if _, err := b.Store.Sweep(b.Context(), bridge.Sweep{Now: b.Clock.Now(), Limit: 1000}); err != nil {
		b.Fatal(err)
	}
}

// revoking does something that revokes a link, while the feed is read.
func revoking(do func(*testBridge)) func(*testBridge) string {
	return func(b *testBridge) string {
		store := watchStore(b)
		defer store.stop()
		do(b)
		store.wantFeedRead(b)
		return ""
	}
}

func serverTroubles() []trouble {
	problem := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "The server", row: row, configure: configure, produce: produce}
	}
	elsewhere := func(row, file string) trouble { return trouble{section: "The server", row: row, heldBy: file} }
	starting := func(message string) func(*testBridge) string {
		return func(b *testBridge) string {
			from := len(b.Logs.String())
			defer b.RunBackground()()
			b.Logs.Wait(b, from, message)
			return ""
		}
	}
	const (
		serveTest  = "../../cmd/alexa-oidc-bridge/serve_test.go"
		reloadTest = "../../cmd/alexa-oidc-bridge/reload_test.go"
	)
	return []trouble{
		problem("`provider ready`", nil, starting("provider ready")),
		problem("`provider not ready`", func(b *testBridge) { b.Provider.SetDown(true) }, starting("provider not ready")),
		problem("`store out of reach`", nil, func(b *testBridge) string {
			store := watchStore(b)
			defer store.stop()
			store.be(failing("ReadFeed"))
			store.wantFeedRead(b)
			store.be(working)
			store.wantFeedRead(b)
			return ""
		}),
		problem("`older links match no logout", func(b *testBridge) {
			b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {UniversalLogout: true}}
		}, func(b *testBridge) string {
			b.olderLink("sub")
			return starting(unmatchedLinks)(b)
		}),
		problem("`no limits per address`", func(b *testBridge) {
			withLimits(b)
			b.Config.TrustedProxies, b.Config.PublicURL = nil, "https://link.example.com"
		}, send("GET", "/try/x", nil)),
		problem("`nothing_revoked`", withLogouts, doing(func(b *testBridge) {
			wantLogout(b, "a stranger", b.LogoutToken(map[string]any{"sub": "e9f1a3"}), http.StatusOK)
		})),
		elsewhere("`link revoked`", "revoked_log_test.go"),
		elsewhere("`too many connections`", "../../cmd/alexa-oidc-bridge/limits_test.go"),
		problem("`audit record not written`", func(b *testBridge) { b.Skill.Allow.Groups = []string{"inventors"} },
			broken(failing("Record"))),
		elsewhere("`revocations not known`", "revoked_log_test.go"),
		elsewhere("`sweep failed`", "background_test.go"),
		elsewhere("`requests aborted`", serveTest),
		elsewhere("`the database was replaced while it was open`", serveTest),
		elsewhere("`other users of this machine", serveTest),
		elsewhere("`configuration refused`", "../../cmd/alexa-oidc-bridge/reload_helpers_test.go"),
		elsewhere("`configuration not reloaded`", reloadTest),
		elsewhere("`a changed key of the configuration", reloadTest),
		elsewhere("`cannot be used`", "../../cmd/alexa-oidc-bridge/main_test.go"),
	}
}
