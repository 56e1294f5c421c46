package server_test

import (
	"context"

	"alexa-oidc-bridge/bridge"
)

func scimTroubles() []trouble {
	directory := func(section, row, attribute string, produce func(*testBridge)) trouble {
		return trouble{section: section, row: row, configure: withSCIM(attribute, "email"),
			produce: func(b *testBridge) string {
				produce(b)
				return ""
			}}
	}
	deactivated := func(userName string) func(*testBridge) {
		return func(b *testBridge) { b.WantSCIM(200, "PATCH", b.user(userName, userName), patch(deactivatedByEntra)) }
	}
	const rejected, server = "Rejected requests", "The server"
	return []trouble{
		directory(rejected, "`wrong bearer token`", bridge.SCIMUserName, func(b *testBridge) {
			b.SCIM("GET", "/Users", "", header("Authorization", "Bearer another"))
		}),
		directory(rejected, "`no more can be kept`", bridge.SCIMUserName, func(b *testBridge) {
			hookStore(b).be(func(context.Context, string) error { return bridge.ErrDirectoryFull })
			response, body := b.SCIM("POST", "/Users", `{"userName":"one too many"}`)
			wantSCIMError(b, response, body, 507, "")
		}),
		directory(rejected, "with another `reason`", bridge.SCIMUserName, func(b *testBridge) {
			b.WantSCIM(400, "POST", "/Users", `{"externalId":"x"}`)
		}),
		directory(server, "`no link of a directory's user`", bridge.SCIMUserName, deactivated("nobody")),
		directory(server, "`no link ended:", bridge.SCIMUserName, func(b *testBridge) {
			linkOneAddress(b)
			deactivated("ada@contoso.com")(b)
		}),
		directory(server, "was renamed", bridge.SCIMUserName, func(b *testBridge) {
			b.WantSCIM(200, "PATCH", b.user("renamed", "x"), patch(`{"op":"replace","path":"userName","value":"renamed again"}`))
		}),
	}
}
