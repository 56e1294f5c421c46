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
		{"ended", account{UserID: "u", Token: "a", Ending: endingRevoked}, stageAgain, actionAsk},
		{"asked after the end, implicit", account{UserID: "u", Token: "a", Ending: endingRevoked, LastReply: card},
			stageAgain, ""},
		{"asked after the end, code", account{UserID: "u", Token: "a", Refresh: "r", Ending: endingRevoked, LastReply: card},
			stageAgain, actionLater},
		{"an hour after the end", account{UserID: "u", Token: "a", Refresh: "r", Ending: endingRevoked, ExpiresAt: past},
			stageAgain, actionAsk},
		{"lost", account{UserID: "u", Unlinked: true, Ending: endingRevoked, LastReply: card}, stageAgain, actionLink},
		{"skill disabled", account{Disabled: true}, stageAgain, actionAsk},
		{"skill disabled, asked", account{Disabled: true, UserID: "u", LastReply: card}, stageAgain, actionLink},
		{"skill disabled, not linked again", account{UserID: "u", Problem: "access_denied"}, stageLink, actionLink},
		{"disabled", account{UserID: "u", Token: "a", Ending: endingDisabled}, stageAgain, actionAsk},
		{"disabled, not rechecked", account{UserID: "u", Token: "a", Ending: endingDisabled, LastReply: hello},
			stageAgain, actionAsk},
		{"disabled, refused", account{UserID: "u", Token: "a", Ending: endingDisabled, LastReply: card},
			stageAgain, actionEnable},
		{"disabled, lost", account{UserID: "u", Unlinked: true, Ending: endingDisabled, LastReply: card},
			stageAgain, actionEnable},
		{"disabled, refused, an hour later",
			account{UserID: "u", Token: "a", Refresh: "r", Ending: endingDisabled, Refused: true,
				ExpiresAt: past}, stageAgain, actionAsk},
		{"signed out", account{UserID: "u", Token: "a", Ending: endingSignedOut}, stageAgain, actionAsk},
		{"signed out, refused", account{UserID: "u", Token: "a", Ending: endingSignedOut, LastReply: card}, stageAgain, ""},
		{"deactivated", account{UserID: "u", Token: "a", Ending: endingDeactivated}, stageAgain, actionAsk},
		{"deactivated, refused", account{UserID: "u", Token: "a", Ending: endingDeactivated, LastReply: card}, stageAgain,
			actionEnable},
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
		{"start", false, stageLink, "[Link] Ask End the link Ask again "},
		{"middle", false, stageEnd, "✓Link ✓Ask [End the link] Ask again "},
		{"code", true, stageLater, "✓Link ✓Ask [Ask an hour later] End the link Ask again "},
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
