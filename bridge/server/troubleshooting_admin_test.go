package server_test

import (
	"net/http"

	"alexa-oidc-bridge/bridge"
)

func adminTroubles() []trouble {
	const target = "/api/links/revoke"
	rejected := func(row string, produce func(*adminAPI)) trouble {
		return trouble{section: "Rejected requests", row: row, configure: withAdminTokens,
			produce: func(b *testBridge) string {
				produce(listenAdmin(b, nil))
				return ""
			}}
	}
	revoke := func(row string, status int, code, body string, changes ...func(*http.Request)) trouble {
		return rejected(row, func(a *adminAPI) { a.wantError(status, code, "", "POST", target, body, changes...) })
	}
	const filter = `{"filter":{"provider":"corp"}}`
	return []trouble{
		revoke("`no admin token has this secret`", 401, "invalid_token", filter, bearer(anotherSecret)),
		revoke("`no bearer token was sent`", 401, "invalid_token", filter, withoutAuth),
		revoke("`insufficient_scope`", 403, "insufficient_scope", filter, bearer(auditorSecret)),
		revoke("`admin API request rejected`, `access_denied`", 403, "access_denied", filter,
			header("Origin", "https://evil.example")),
		revoke("`admin API request rejected`, with another `reason`", 400, "invalid_request", `{"filter":{}}`),
		rejected("`ambiguous_subject`", func(a *adminAPI) {
			a.LinkOf(bridge.Account{Subject: "grace"})
			a.LinkOf(bridge.Account{Subject: "grace"}, func(link *bridge.Link) { link.Provider.ID = "other" })
			a.wantError(409, "ambiguous_subject", "", "POST", target, `{"filter":{"subject":"grace"}}`)
		}),
		rejected("`admin API request failed`", func(a *adminAPI) {
			hookStore(a.testBridge).be(failing("Revoke"))
			a.wantError(503, "temporarily_unavailable", "", "POST", target, filter)
		}),
	}
}
