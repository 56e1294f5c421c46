package server_test

import (
	"bytes"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

func accountTroubles(faults *providerFaults) []trouble {
	account := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Accounts", row: row, configure: configure, produce: produce}
	}
	inGroup := func(b *testBridge) {
		offline()(b)
		withAda(bridge.Allow{Groups: []string{"engineering"}}, sameAda)(b)
	}
	return []trouble{
		account("out of reach", offline(), rechecking(func(b *testBridge, _ string) { b.Provider.SetDown(true) })),
		account("`invalid_client`", offline(), rechecking(func(b *testBridge, _ string) {
			withWrongSecret(b)
			b.Restart()
		})),
		account("any of the keys", offline(), rechecking(func(b *testBridge, _ string) {
			b.Config.Keys = keys.NewRing(bytes.Repeat([]byte{99}, keys.SecretSize))
			b.Restart()
		})),
		account("an earlier answer was lost", offline(), rechecking(func(b *testBridge, token string) {
			faults.Store(&providerFault{override: map[string]http.HandlerFunc{
				tokenPath: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			}})
			b.recheck(time.Hour, token)
			faults.Store(&providerFault{})
			disable(b, token)
		})),
		account("about another person", offline(), rechecking(func(b *testBridge, token string) {
			rename(b, b.Lookup(token).LinkID)
		})),
		account("reference instead of the groups", inGroup, rechecking(func(b *testBridge, _ string) {
			b.ada(func(ada *upstreamtest.Person) {
				ada.Groups = nil
				ada.Claims = map[string]any{"_claim_names": map[string]any{"groups": "src1"}}
			})
		})),
		account("`account gone`", offline(func(p *bridge.AccountPolicy) { p.DeadGrace = 72 * time.Hour }),
			rechecking(disable)),
		account("no refresh token", func(b *testBridge) {
			offline()(b)
			faults.change(tokenPath, func(response map[string]any) { delete(response, "refresh_token") })
		}, (*testBridge).Link),
	}
}

// endedAccountTroubles are what a skill sees of accounts that ended, or may have.
func endedAccountTroubles() []trouble {
	skill := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Alexa links, but the skill does not work", row: row, configure: configure, produce: produce}
	}
	limited := offline(func(p *bridge.AccountPolicy) { p.RecheckLimit = 2 * time.Hour })
	return []trouble{
		skill("the account could not be checked", limited, func(b *testBridge) string {
			token := b.Link()
			b.Provider.SetDown(true)
			b.Clock.Advance(2 * time.Hour)
			return send("POST", "/lookup", url.Values{"token": {token}},
				basicAuth(testbridge.BackendID, testbridge.BackendSecret))(b)
		}),
		skill("`account_gone`", offline(), revoking(func(b *testBridge) {
			from, token := len(b.Logs.String()), b.Link()
			b.ada(disabled)
			b.Clock.Advance(time.Hour)
			b.WantActive(token) // and the provider is asked in the background
			b.Logs.Wait(b, from, "account_gone")
			b.Clock.Advance(time.Second) // a sign-in counts again after this one
		})),
	}
}

// rechecking links Ada, changes something, and an hour later lets the provider be asked about her account.
func rechecking(change func(b *testBridge, token string)) func(*testBridge) string {
	return func(b *testBridge) string {
		b.Helper()
		token := b.Link()
		change(b, token)
		b.recheck(time.Hour, token)
		return ""
	}
}

func disable(b *testBridge, _ string) { b.ada(disabled) }

// rename makes a link that of another person at the provider.
func rename(b *testBridge, linkID string) {
	b.Helper()
	later := b.Clock.Now().Add(time.Hour)
	recheck, err := b.Store.BeginRecheck(b.Context(),
		bridge.RecheckStart{LinkID: linkID, Now: later, CheckedBefore: later, Lease: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	renewed := &bridge.Renewed{Claims: recheck.Link.Claims, Account: bridge.Account{Subject: "another sub"}}
	err = b.Store.FinishRecheck(b.Context(), bridge.RecheckResult{
		LinkID: linkID, Lease: recheck.Lease, CheckedAt: b.Clock.Now(), DueAt: later, Renewed: renewed,
	})
	if err != nil {
		b.Fatal(err)
	}
}
