package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

func withTestTokens(b *testBridge) { b.Skill.TestTokens = true }

// mint makes a test link of the skill "pizza" and returns its token.
func mint(b *testBridge, claims bridge.Claims) string {
	b.Helper()
	made, token := bridge.NewTestLink(b.Skill, "test-ada", claims, "command:ada@host", b.Clock.Now(), time.Hour)
	if err := b.Store.Mint(b.Context(), made); err != nil {
		b.Fatal(err)
	}
	b.KeepSecret(token)
	return token
}

// lookUp returns the response of a lookup as text.
func lookUp(b *testBridge, token string) string {
	b.Helper()
	_, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	return body
}

// TestTestLink verifies that a test link is told apart from a person's, and when it is honoured.
func TestTestLink(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withTestTokens)
	token, person := mint(b, bridge.Claims{"name": "Ada", "groups": []any{"alexa-users"}}), b.Link()
	want := []string{`"active":true`, `"sub":"test-ada"`, `"scope":"orders menu"`, `"provider":"corp"`,
		`"upstream_iss":"urn:alexa-oidc-bridge:test"`, `"claims":{"groups":["alexa-users"],"name":"Ada"}`,
		`"test":true`, `"exp":`}
	for _, part := range want {
		if body := lookUp(b, token); !strings.Contains(body, part) {
			t.Errorf("%s is missing: %s", part, body)
		}
	}
	if body := lookUp(b, person); strings.Contains(body, "test") {
		t.Errorf("a person's link: %s", body)
	}
	request := b.NewRequest(http.MethodGet, "/userinfo", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	const claims = `{"groups":["alexa-users"],"name":"Ada","sub":"test-ada","test":true,` +
		`"upstream_iss":"urn:alexa-oidc-bridge:test"}`
	if _, body := b.Do(request); body != claims {
		t.Errorf("userinfo: %s", body)
	}
	other := lookupRequest(b, url.Values{"token": {token}})
	other.SetBasicAuth(testbridge.LightsBackendID, testbridge.LightsSecret)
	if _, body := b.Do(other); body != inactive {
		t.Errorf("another skill's backend: %s", body)
	}
	b.Clock.Advance(time.Hour)
	b.WantInactive(token)
	b.WantActive(person)
}

// TestTestLinkConfiguration verifies what suspends a test link.
func TestTestLinkConfiguration(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withTestTokens)
	token := mint(b, bridge.Claims{"email": "ada@contoso.com", "groups": []any{"alexa-users"}})
	original, skill := b.Config.Providers[0], *b.Skill
	tests := []struct {
		name   string
		change func()
		want   bridge.Reason // empty: honoured
	}{
		{"as it was", func() {}, ""},
		{"no test_tokens", func() { b.Skill.TestTokens = false }, bridge.ReasonTestTokens},
		{"another subject_claim", func() { b.Config.Providers[0].SubjectClaim = "oid" }, ""},
		{"another groups_claim", func() { b.Config.Providers[0].GroupsClaim = []string{"roles"} }, ""},
		{"allow that admits it", func() { b.Skill.Allow.Groups = []string{"alexa-users"} }, ""},
		{"allow that does not", func() { b.Skill.Allow.Groups = []string{"inventors"} }, bridge.ReasonGroups},
		{"as it was again", func() {}, ""},
	}
	for _, tt := range tests {
		b.Config.Providers[0], *b.Skill = original, skill
		tt.change()
		b.Restart()
		before := len(b.Logs.String())
		active := strings.Contains(lookUp(b, token), `"active":true`)
		logged := strings.Contains(b.Logs.String()[before:], `"msg":"link suspended"`) &&
			strings.Contains(b.Logs.String()[before:], `"reason":"`+string(tt.want)+`"`)
		if active != (tt.want == "") || logged == active {
			t.Errorf("%s: active: %v; want reason %q\n%s", tt.name, active, tt.want, b.Logs.String()[before:])
		}
	}
}

// TestTestLinkRevoked ends a test link by its token, as the skill that it belongs to may.
func TestTestLinkRevoked(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withTestTokens)
	token := mint(b, nil)
	if body := lookUp(b, token); !strings.Contains(body, `"claims":{}`) {
		t.Errorf("without claims: %s", body)
	}
	revoke := b.NewRequest(http.MethodPost, "/revoke", url.Values{"token": {token}})
	revoke.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	if response, body := b.Do(revoke); response.StatusCode != http.StatusOK {
		t.Errorf("status %d, %s", response.StatusCode, body)
	}
	b.WantInactive(token)
}
