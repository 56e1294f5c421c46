package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

func (s *hookedStore) Record(ctx context.Context, record bridge.AuditRecord) error {
	if err := s.call(ctx, "Record"); err != nil {
		return err
	}
	return s.Store.Record(ctx, record)
}

// Audit returns the audit records that match a filter.
func (b *testBridge) Audit(filter bridge.AuditFilter) []bridge.AuditRecord {
	b.Helper()
	records, err := b.Store.Audit(b.Context(), filter)
	if err != nil {
		b.Fatal(err)
	}
	return records
}

// WantRecorded checks that one audit record is as this one, whatever its id, time and reference, and returns it.
func (b *testBridge) WantRecorded(want bridge.AuditRecord) bridge.AuditRecord {
	b.Helper()
	all, found := b.Audit(bridge.AuditFilter{}), []bridge.AuditRecord(nil)
	for _, record := range all {
		if want.ID, want.At, want.Ref = record.ID, record.At, record.Ref; record == want {
			found = append(found, record)
		}
	}
	if len(found) != 1 {
		b.Fatalf("%d records are %+v, want 1 of\n%+v", len(found), want, all)
	}
	return found[0]
}

// wantEventLine checks that the log has exactly one line about the event of a record, which says the same.
func wantEventLine(b *testBridge, message string, record bridge.AuditRecord) {
	b.Helper()
	fields := map[string]any{"msg": message, "event": string(record.Event), "client_id": record.ClientID,
		"actor": string(record.Actor)}
	for name, value := range map[string]string{"link_id": record.LinkID, "reason": string(record.Reason)} {
		if value != "" {
			fields[name] = value
		}
	}
	if message != "link revoked" { // which servers log of each other
		fields["ref"], fields["address"], fields["provider"] = record.Ref, record.Address, record.Provider
	}
	b.WantLogged(fields)
	lines := 0
	for line := range strings.Lines(b.Logs.String()) {
		if strings.Contains(line, `"event":"`+string(record.Event)+`"`) {
			lines++
		}
		if strings.Contains(line, testbridge.Ada().Subject) {
			b.Errorf("the log has the subject: %s", line)
		}
	}
	if lines != 1 {
		b.Errorf("%d lines of the event %s, want 1:\n%s", lines, record.Event, b.Logs)
	}
}

// forwardedPhone returns a phone whose requests a proxy forwards for an address.
func forwardedPhone(address string) *simulator.Phone {
	phone := simulator.NewPhone()
	phone.Client.Transport = forwarder(address)
	return phone
}

// forwarder sends requests as the proxy in front of the bridge does.
type forwarder string

func (f forwarder) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("X-Forwarded-For", string(f))
	return http.DefaultTransport.RoundTrip(request)
}

// TestAuditOfLife follows a link from its begin to its end: each event has one record and one line in the log, which
// tell the same. Refreshes and lookups have none.
func TestAuditOfLife(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withProxy(600, 30))
	store := watchStore(b)
	phone, request := forwardedPhone(honest), b.CodeRequest()
	code := b.AuthorizationResponse(request,
		b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "link")).Get("code")
	link := b.Links()[0]
	want := bridge.AuditRecord{ClientID: "pizza", Provider: "corp", LinkID: link.ID, Subject: testbridge.Ada().Subject}

	linked := want
	linked.Event, linked.Actor, linked.Address = bridge.AuditLinked, bridge.ActorPerson, honest
	wantEventLine(b, "linked", b.WantRecorded(linked))

	present := func(form url.Values, address string) (*http.Response, string) {
		token := b.TokenRequest(form)
		token.Header.Set("X-Forwarded-For", address)
		return b.Do(token)
	}
	byCode := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	tokens := b.WantTokens(present(byCode, "192.0.2.9"))
	redeemed := want
	redeemed.Event, redeemed.Actor, redeemed.Address = bridge.AuditRedeemed, "skill:pizza", "192.0.2.9"
	wantEventLine(b, "code redeemed", b.WantRecorded(redeemed))

	b.WantTokens(present(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}, "192.0.2.9"))
	b.WantActive(tokens.AccessToken)
	if n := len(b.Audit(bridge.AuditFilter{})); n != 2 {
		t.Errorf("%d records after a refresh and a lookup, want 2", n)
	}

	b.Clock.Advance(time.Minute)
	_, body := present(byCode, stranger)
	replayed := want
	replayed.Event, replayed.Reason, replayed.Actor = bridge.AuditReplayed, bridge.ReasonCodeReplayed, "skill:pizza"
	replayed.Address = stranger
	record := b.WantRecorded(replayed)
	store.wantFeedRead(t)
	wantEventLine(b, "link revoked", record)
	if !strings.Contains(body, `"reference":"`+record.Ref+`"`) || record.Ref == "" {
		t.Errorf("the reference is %q in the record, and in the response %s", record.Ref, body)
	}
}

// TestAuditOfRefreshReplay presents a refresh token that is superseded.
func TestAuditOfRefreshReplay(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withProxy(600, 30), func(b *testBridge) { b.Skill.RotateRefresh = true })
	first := b.LinkByCode()
	second := b.WantTokens(b.Refresh(first.RefreshToken))
	b.WantTokens(b.Refresh(second.RefreshToken))
	replay := b.TokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}})
	replay.Header.Set("X-Forwarded-For", stranger)
	_, body := b.Do(replay)
	record := b.WantRecorded(bridge.AuditRecord{Event: bridge.AuditReplayed, Reason: bridge.ReasonRefreshReplayed,
		Actor: "skill:pizza", ClientID: "pizza", Provider: "corp", LinkID: b.Links()[0].ID,
		Subject: testbridge.Ada().Subject, Origin: bridge.Origin{Address: stranger}})
	if !strings.Contains(body, `"reference":"`+record.Ref+`"`) || record.Ref == "" {
		t.Errorf("the reference is %q in the record, and in the response %s", record.Ref, body)
	}
}

// TestAuditOfRevocation revokes a link at the revocation endpoint.
func TestAuditOfRevocation(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 30))
	token := b.Link()
	revoke := b.NewRequest(http.MethodPost, "/revoke", url.Values{"token": {token}})
	revoke.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	revoke.Header.Set("X-Forwarded-For", "192.0.2.9")
	b.Do(revoke)
	record := b.WantRecorded(bridge.AuditRecord{Event: bridge.AuditRevoked, Reason: bridge.ReasonClient,
		Actor: bridge.ActorBackend(testbridge.BackendID), ClientID: "pizza", Provider: "corp", LinkID: b.Links()[0].ID,
		Subject: testbridge.Ada().Subject, Origin: bridge.Origin{Address: "192.0.2.9"}})
	if age := b.Clock.Now().Sub(record.At); len(record.Ref) != 8 || age < 0 || age > time.Minute {
		t.Errorf("%+v", record)
	}
}

// TestAuditHasNoClaims links with claims, and verifies that no record has any of them.
func TestAuditHasNoClaims(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	b.LinkByCode()
	onlyInventors(b)
	b.Restart()
	signInOn(b, simulator.NewPhone())
	text, err := json.Marshal(b.Audit(bridge.AuditFilter{}))
	if err != nil {
		t.Fatal(err)
	}
	b.CheckSecrets("the audit log", string(text))
	ada := testbridge.Ada()
	for _, claim := range []string{ada.Email, ada.GivenName, ada.FamilyName, ada.Groups[0]} {
		if strings.Contains(string(text), claim) {
			t.Errorf("the audit log has %q: %s", claim, text)
		}
	}
	if n := len(b.Audit(bridge.AuditFilter{Subject: ada.Subject})); n != 3 {
		t.Errorf("%d records of Ada, want 3: %s", n, text)
	}
}

// What a provider or its directory sends is on record with the request that it came with.
func TestAuditOfAccountEnd(t *testing.T) {
	t.Parallel()
	for event, send := range map[bridge.AuditEvent]func(*testBridge){
		bridge.AuditDeprovisioned: func(b *testBridge) {
			b.WantSCIM(200, "PATCH", b.user("ada", testbridge.Ada().Subject), patch(deactivatedByEntra))
		},
		bridge.AuditLoggedOut: func(b *testBridge) { wantLogout(b, "logout", b.LogoutToken(nil), 200) },
	} {
		b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"), func(b *testBridge) {
			policy := b.Config.Accounts["corp"]
			policy.OnLogout = bridge.LogoutRevokes
			b.Config.Accounts["corp"] = policy
		})
		token := b.Link()
		send(b)
		b.WantInactive(token)
		records, err := b.Store.Audit(t.Context(), bridge.AuditFilter{Event: event})
		if err != nil || len(records) != 1 {
			t.Fatalf("%s: %d records, %v", event, len(records), err)
		}
		if r := records[0]; len(r.Ref) != 8 || r.Address != "127.0.0.1" || r.Actor != "provider:corp" {
			t.Errorf("%s: %+v", event, r)
		}
	}
}
