package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

var shownReference = regexp.MustCompile(`[Rr]eference:? (?:<b>)?([2-9A-Z]{8})`)

// TestAuditReference lets people fail to link in several ways. The reference that they see leads to one record.
func TestAuditReference(t *testing.T) {
	t.Parallel()
	const ada = "a2b4c6"
	for name, tt := range map[string]struct {
		configure func(*testBridge)
		produce   func(*testBridge, *simulator.Phone) *simulator.Page
		reason    bridge.Reason
		subject   string
		unseen    bool // the page shows no reference
	}{
		"not admitted":   {onlyInventors, signInOn, bridge.ReasonGroups, ada, false},
		"set up wrongly": {withWrongSecret, signInOn, bridge.ReasonProviderSetup, "", false},
		"refused by the provider": {nil, func(b *testBridge, phone *simulator.Phone) *simulator.Page {
			return b.Submit(phone, b.Open(phone, b.Request().URL()), url.Values{"action": {"cancel"}})
		}, bridge.ReasonProviderRefused, "", false},
		"revoked meanwhile": {nil, func(b *testBridge, phone *simulator.Phone) *simulator.Page {
			consent := signInOn(b, phone)
			b.EndAda(false)
			return b.Decide(phone, consent, "link")
		}, bridge.ReasonSignInRevoked, ada, false},
		"changed meanwhile": {nil, func(b *testBridge, phone *simulator.Phone) *simulator.Page {
			consent := signInOn(b, phone)
			withSubject("oid")(b)
			b.Restart()
			return b.Decide(phone, consent, "link")
		}, bridge.ReasonOtherProvider, ada, false},
		"cancelled": {nil, func(b *testBridge, phone *simulator.Phone) *simulator.Page {
			return b.Decide(phone, signInOn(b, phone), "cancel")
		}, bridge.ReasonCancelled, ada, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, withProxy(600, 30), func(b *testBridge) {
				if tt.configure != nil {
					tt.configure(b)
				}
			})
			page := tt.produce(b, forwardedPhone(honest))
			record := b.WantRecorded(bridge.AuditRecord{Event: bridge.AuditRefused, Reason: tt.reason, Actor: bridge.ActorPerson,
				ClientID: "pizza", Provider: "corp", Subject: tt.subject, Origin: bridge.Origin{Address: honest}})
			shown := shownReference.FindStringSubmatch(page.Body + page.URL.Fragment)
			if (shown == nil) != tt.unseen || shown != nil && shown[1] != record.Ref {
				t.Errorf("shown %q, recorded %q: %s %s", shown, record.Ref, page.URL, page.Body)
			}
			wantEventLine(b, "not linked", record)
			if found := b.Audit(bridge.AuditFilter{Ref: record.Ref}); len(found) != 1 {
				t.Errorf("%d records have the reference", len(found))
			}
		})
	}
}

// onlyInventors admits nobody but inventors, of whom Ada is none.
func onlyInventors(b *testBridge) { b.Skill.Allow.Groups = []string{"inventors"} }

// signInOn signs Ada in on a phone, and returns the page after that.
func signInOn(b *testBridge, phone *simulator.Phone) *simulator.Page {
	return b.SignIn(phone, b.Request(), testbridge.Ada())
}

// TestAuditIsBounded causes refusals without end. Those of others are recorded meanwhile.
func TestAuditIsBounded(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(0, 0), onlyInventors)
	b.Clock.Hold()
	invalid := func(address string, times int) {
		t.Helper()
		for range times {
			request := b.NewRequest(http.MethodGet, b.Request().URL()+"&scope=menu", nil)
			request.Header.Set("X-Forwarded-For", address)
			b.Do(request)
		}
	}
	wantRecords := func(what string, want int) {
		t.Helper()
		if n := len(b.Audit(bridge.AuditFilter{Event: bridge.AuditRefused})); n != want {
			t.Errorf("%s: %d records, want %d", what, n, want)
		}
	}
	invalid(stranger, 15)
	wantRecords("of one address", 10)
	invalid(honest, 1)
	wantRecords("of another address", 11)
	for i := range 30 {
		invalid(fmt.Sprint("198.51.100.", 100+i), 1)
	}
	wantRecords("of many addresses", 30)
	if n := strings.Count(b.Logs.String(), `"event":"refused"`); n != 46 {
		t.Errorf("%d lines in the log, want one for each of 46 refusals", n)
	}

	phone, request := forwardedPhone(stranger), b.Request()
	refused := b.SignIn(phone, request, testbridge.Ada())
	for range 11 { // with the session at the provider
		b.SubmitLogin(phone, b.Decide(phone, refused, "switch"), testbridge.Ada())
		refused = b.SignIn(phone, b.Request(), testbridge.Ada())
	}
	wantRecords("of one person", 40)
	b.Clock.Advance(time.Minute)
	invalid(stranger, 15)
	wantRecords("a minute later", 50)
}

// TestAuditNotWritten lets the store fail to record a refusal, of which the person notices nothing.
func TestAuditNotWritten(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onlyInventors)
	store := hookStore(b)
	store.be(failing("Record"))
	b.WantPage(signInOn(b, simulator.NewPhone()), http.StatusForbidden, "This account may not link")
	logged := b.WantLogged(map[string]any{"msg": "audit record not written", "level": "WARN", "error": errBroken.Error(),
		"reason": "groups"})
	b.WantLogged(map[string]any{"msg": "not linked", "ref": logged["ref"]})

	var calls []string
	store.be(func(_ context.Context, method string) error {
		calls = append(calls, method)
		return errBroken
	})
	b.WantPage(signInOn(b, simulator.NewPhone()), http.StatusServiceUnavailable, "")
	if slices.Contains(calls, "Record") {
		t.Errorf("while the store is out of reach, it is asked to record that: %v", calls)
	}
}
