package server_test

import (
	"net/http"
	"net/url"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

func disabledRequest(b *testBridge, form url.Values, changes ...func(*http.Request)) (*http.Response, string) {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/alexa/disabled", form)
	request.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	for _, change := range changes {
		change(request)
	}
	return b.Do(request)
}

// TestAlexaDisabled ends links of which Alexa's event gateway told a backend that the skill is disabled.
func TestAlexaDisabled(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]func(b *testBridge, tokens tokenResponse) url.Values{
		"an access token": func(_ *testBridge, tokens tokenResponse) url.Values {
			return url.Values{"token": {tokens.AccessToken}}
		},
		"a link id": func(b *testBridge, tokens tokenResponse) url.Values {
			return url.Values{"link_id": {b.Lookup(tokens.AccessToken).LinkID}}
		},
		"credentials in the body": func(_ *testBridge, tokens tokenResponse) url.Values {
			return url.Values{"token": {tokens.AccessToken}, "client_id": {testbridge.BackendID},
				"client_secret": {testbridge.BackendSecret}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, withCodeGrant, withProxy(600, 30))
			tokens, other := b.LinkByCode(), b.LinkByCode()
			sent := form(b, tokens)
			changes := []func(*http.Request){forwarded(honest)}
			if sent.Has("client_id") {
				changes = append(changes, withoutAuth)
			}
			for range 2 { // the second time it has ended
				response, body := disabledRequest(b, sent, changes...)
				if response.StatusCode != http.StatusOK || body != "" || response.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("status %d: %s", response.StatusCode, body)
				}
			}
			b.WantInactive(tokens.AccessToken)
			wantRefreshRejected(b, tokens.RefreshToken)
			b.WantActive(other.AccessToken)
			link := b.WantEnded(1)[0]
			b.WantRecorded(bridge.AuditRecord{Event: bridge.AuditRevoked, Reason: bridge.ReasonSkillDisabled,
				Actor: "backend:pizza-backend", ClientID: "pizza", Provider: "corp", LinkID: link.ID, Subject: link.Subject,
				Origin: bridge.Origin{Address: honest}})
			b.WantMetric(`bridge_alexa_events_total{event="SKILL_DISABLED_EXCEPTION",outcome="revoked",skill="pizza"} 1`)
			b.WantMetric(`bridge_alexa_events_total{event="SKILL_DISABLED_EXCEPTION",outcome="nothing_revoked",skill=""} 1`)
		})
	}
}

// TestAlexaDisabledRejected sends what ends no link.
func TestAlexaDisabledRejected(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	store, token := hookStore(b), b.Link()
	linkID := b.Lookup(token).LinkID
	byToken, byID := url.Values{"token": {token}}, url.Values{"link_id": {linkID}}
	another := basicAuth(testbridge.LightsBackendID, testbridge.LightsSecret)
	none := func(*http.Request) {}
	for _, tt := range []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		status int
		code   string // empty: as of a link that is unknown
	}{
		{"another backend, by token", byToken, another, 200, ""},
		{"another backend, by link id", byID, another, 200, ""},
		{"an unknown token", url.Values{"token": {bridge.NewToken(bridge.AccessTokenKind, [32]byte{1})}}, none, 200, ""},
		{"a malformed token", url.Values{"token": {"\x00"}}, none, 200, ""},
		{"an unknown link", url.Values{"link_id": {bridge.NewLinkID()}}, none, 200, ""},
		{"a malformed link", url.Values{"link_id": {"lnk_\x00"}}, none, 200, ""},
		{"another spelling of the link", url.Values{"link_id": {linkID + " "}}, none, 200, ""},
		{"nothing", url.Values{"x": {"y"}}, none, 400, "invalid_request"},
		{"both", url.Values{"token": {token}, "link_id": {linkID}}, none, 400, "invalid_request"},
		{"a token twice", url.Values{"token": {token, token}}, none, 400, "invalid_request"},
		{"a link twice", url.Values{"link_id": {linkID, linkID}}, none, 400, "invalid_request"},
		{"credentials twice", url.Values{"token": {token}, "client_secret": {testbridge.BackendSecret}}, none, 400,
			"invalid_request"},
		{"not a form", byToken, header("Content-Type", "application/json"), 415, "invalid_request"},
		{"no credentials", byToken, withoutAuth, 401, "invalid_client"},
		{"a wrong secret", byToken, basicAuth(testbridge.BackendID, testbridge.LightsSecret), 401, "invalid_client"},
		{"the skill itself", byToken, basicAuth("pizza", testbridge.BackendSecret), 401, "invalid_client"},
	} {
		response, body := disabledRequest(b, tt.form, tt.change)
		switch {
		case response.StatusCode != tt.status:
			t.Errorf("%s: status %d, want %d: %s", tt.name, response.StatusCode, tt.status, body)
		case tt.code != "":
			wantErrorResponse(t, response, body, tt.status, tt.code)
		case body != "":
			t.Errorf("%s: %s", tt.name, body)
		}
	}
	b.WantLogged(map[string]any{"msg": "report of a disabled skill rejected", "client_id": testbridge.BackendID,
		"status": 401.0})
	query := b.NewRequest(http.MethodPost, "/alexa/disabled?"+byToken.Encode(), url.Values{})
	query.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	if response, body := b.Do(query); response.StatusCode != http.StatusBadRequest {
		t.Errorf("in the URL: status %d: %s", response.StatusCode, body)
	}
	store.be(failing("Revoke", "RevokeByToken"))
	for name, form := range map[string]url.Values{"by token": byToken, "by link id": byID} {
		response, body := disabledRequest(b, form)
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("%s, an outage: status %d: %s", name, response.StatusCode, body)
		}
	}
	store.be(working)
	b.WantActive(token)
}
