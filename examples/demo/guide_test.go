package main

import (
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

func TestGuide(t *testing.T) {
	past := time.Now().Add(-time.Minute)
	hello, card := &reply{Speech: "Hello"}, &reply{Card: cardLinkAccount}
	for _, test := range []struct {
		name    string
		account account
		stage   string
		deed    deed
	}{
		{"start", account{}, stageLink, deedLink},
		{"refused", account{UserID: "u", Fault: "access_denied"}, stageLink, deedLink},
		{"left off", account{UserID: "u"}, stageLink, deedLink},
		{"linked", account{UserID: "u", Token: "a"}, stageAsk, deedAsk},
		{"asked, implicit", account{UserID: "u", Token: "a", Heard: hello}, stageEnd, deedEnd},
		{"asked, code", account{UserID: "u", Token: "a", Refresh: "r", Heard: hello}, stageLater, deedLater},
		{"an hour later", account{UserID: "u", Token: "a", Refresh: "r", ExpiresAt: past}, stageLater, deedAsk},
		{"refreshed", account{UserID: "u", Token: "a", Refresh: "r", Refreshed: true, Heard: hello}, stageEnd, deedEnd},
		{"ended", account{UserID: "u", Token: "a", Ended: true}, stageAgain, deedAsk},
		{"asked after the end, implicit", account{UserID: "u", Token: "a", Ended: true, Heard: card}, stageAgain, ""},
		{"asked after the end, code", account{UserID: "u", Token: "a", Refresh: "r", Ended: true, Heard: card}, stageAgain, deedLater},
		{"an hour after the end", account{UserID: "u", Token: "a", Refresh: "r", Ended: true, ExpiresAt: past}, stageAgain, deedAsk},
		{"lost", account{UserID: "u", Lost: true, Ended: true, Heard: card}, stageAgain, deedLink},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, grant := range []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode} {
				test.account.Grant = grant
				if got := guideOf(test.account); got.Stage != test.stage || got.Deed != test.deed || got.Text == "" {
					t.Errorf("%q, %q; want %q, %q", got.Stage, got.Deed, test.stage, test.deed)
				}
			}
		})
	}
}

func TestWay(t *testing.T) {
	for _, test := range []struct {
		name string
		code bool
		at   string
		want string
	}{
		{"start", false, stageLink, "[Link] Ask End the link Ask again "},
		{"middle", false, stageEnd, "✓Link ✓Ask [End the link] Ask again "},
		{"code", true, stageLater, "✓Link ✓Ask [Ask an hour later] End the link Ask again "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			for _, m := range (guide{Stage: test.at, Code: test.code}).Way() {
				name := m.Name
				if m.Current {
					name = "[" + name + "]"
				}
				if m.Done {
					name = "✓" + name
				}
				got += name + " "
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
