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
		action  action
	}{
		{"start", account{}, stageLink, actionLink},
		{"refused", account{UserID: "u", Problem: "access_denied"}, stageLink, actionLink},
		{"left off", account{UserID: "u"}, stageLink, actionLink},
		{"linked", account{UserID: "u", Token: "a"}, stageAsk, actionAsk},
		{"asked, implicit", account{UserID: "u", Token: "a", LastReply: hello}, stageEnd, actionRevoke},
		{"asked, code", account{UserID: "u", Token: "a", Refresh: "r", LastReply: hello}, stageLater, actionLater},
		{"an hour later", account{UserID: "u", Token: "a", Refresh: "r", ExpiresAt: past}, stageLater, actionAsk},
		{"refreshed", account{UserID: "u", Token: "a", Refresh: "r", Refreshed: true, LastReply: hello}, stageEnd,
			actionRevoke},
		{"ended", account{UserID: "u", Token: "a", Revoked: true}, stageAgain, actionAsk},
		{"asked after the end, implicit", account{UserID: "u", Token: "a", Revoked: true, LastReply: card}, stageAgain, ""},
		{"asked after the end, code", account{UserID: "u", Token: "a", Refresh: "r", Revoked: true, LastReply: card},
			stageAgain, actionLater},
		{"an hour after the end", account{UserID: "u", Token: "a", Refresh: "r", Revoked: true, ExpiresAt: past},
			stageAgain, actionAsk},
		{"lost", account{UserID: "u", Unlinked: true, Revoked: true, LastReply: card}, stageAgain, actionLink},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, grant := range []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode} {
				test.account.Grant = grant
				if got := guideOf(test.account); got.Stage != test.stage || got.Action != test.action || got.Text == "" {
					t.Errorf("%q, %q; want %q, %q", got.Stage, got.Action, test.stage, test.action)
				}
			}
		})
	}
}

func TestProgress(t *testing.T) {
	for _, test := range []struct {
		name string
		code bool
		at   string
		want string
	}{
		{"start", false, stageLink, "[Link] Ask Revoke the link Ask again "},
		{"middle", false, stageEnd, "✓Link ✓Ask [Revoke the link] Ask again "},
		{"code", true, stageLater, "✓Link ✓Ask [Ask an hour later] Revoke the link Ask again "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			for _, m := range (guide{Stage: test.at, Code: test.code}).Progress() {
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
