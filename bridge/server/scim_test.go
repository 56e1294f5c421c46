package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// Tokens of the directories of the providers "corp" and "other".
const (
	directoryToken      = "k2PzN8vQ5wX1rT7yU4iO9aS3dF6gH0jL"
	otherDirectoryToken = "m5BnV9cX2zL7kJ4hG1fD8sA6pO3iU0yT"
)

// withSCIM lets the directory of "corp" send requests. Its attribute is compared with a claim of the links.
func withSCIM(attribute, claim string) func(*testBridge) {
	return func(b *testBridge) {
		b.KeepSecret(directoryToken, otherDirectoryToken)
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {SCIM: bridge.SCIM{
			Tokens: []bridge.Secret{bridge.NewSecret(directoryToken)}, Attribute: attribute, Claim: claim,
		}}}
	}
}

// withOtherDirectory adds the provider "other" with a directory of its own, and "none" without one.
func withOtherDirectory(b *testBridge) {
	b.Config.Providers = append(b.Config.Providers,
		upstream.Config{ID: "other", Issuer: "https://other.example.com", ClientID: "x"},
		upstream.Config{ID: "none", Issuer: "https://none.example.com", ClientID: "x"})
	b.Config.Accounts["other"] = bridge.AccountPolicy{SCIM: bridge.SCIM{
		Tokens: []bridge.Secret{bridge.NewSecret(otherDirectoryToken)}, Attribute: bridge.SCIMExternalID, Claim: "sub",
	}}
}

// SCIM sends a request of the directory of "corp", and returns the response with its JSON body.
func (b *testBridge) SCIM(method, path, body string, changes ...func(*http.Request)) (*http.Response, map[string]any) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, b.Origin+"/scim/corp/v2"+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	request.Header.Set("Authorization", "Bearer "+directoryToken)
	for _, change := range changes {
		change(request)
	}
	response, text := b.Do(request)
	if text == "" {
		return response, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil ||
		response.Header.Get("Content-Type") != "application/scim+json" ||
		response.Header.Get("Cache-Control") != "no-store" {
		b.Fatalf("%s %s: status %d, %v, want JSON of SCIM that is not stored: %s", method, path, response.StatusCode,
			response.Header, text)
	}
	return response, object
}

// WantSCIM sends a request of the directory of "corp", checks the status and returns the JSON body.
func (b *testBridge) WantSCIM(status int, method, path, body string) map[string]any {
	b.Helper()
	response, object := b.SCIM(method, path, body)
	if response.StatusCode != status {
		b.Fatalf("%s %s %s: status %d, want %d: %v", method, path, body, response.StatusCode, status, object)
	}
	return object
}

// user creates a user of the directory of "corp", and returns the path of the user.
func (b *testBridge) user(userName, externalID string) string {
	b.Helper()
	created := b.WantSCIM(201, "POST", "/Users",
		fmt.Sprintf(`{"userName":%q,"externalId":%q,"active":true}`, userName, externalID))
	return "/Users/" + created["id"].(string)
}

// patch returns the body of a PATCH request.
func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

const (
	deactivatedByEntra = `{"op":"Replace","path":"active","value":"False"}`
	deactivatedByOkta  = `{"op":"replace","value":{"active":false}}`
)

// TestSCIMEndsLinks has what directories send when an account ends, and what must not be taken for it.
func TestSCIMEndsLinks(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"), func(b *testBridge) { b.Skill.TestTokens = true })
	made, test := bridge.NewTestLink(b.Skill, testbridge.Ada().Subject, nil, "command:ada@host", b.Clock.Now(), time.Hour)
	if err := b.Store.Mint(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	b.KeepSecret(test)
	tests := []struct {
		name, method, body string
		status             int
		ends               bool
	}{
		{"Entra ID", "PATCH", patch(deactivatedByEntra), 200, true},
		{"Entra ID with its flag", "PATCH", patch(`{"op":"replace","path":"active","value":false}`), 200, true},
		{"Entra ID without a path", "PATCH", patch(`{"op":"Replace","value":{"active":"False"}}`), 200, true},
		{"Okta", "PATCH", patch(deactivatedByOkta), 200, true},
		{"Okta by PUT", "PUT", `{"userName":"ada","active":false,"name":{"givenName":"Ada"}}`, 200, true},
		{"add", "PATCH",
			patch(`{"op":"Add","path":"urn:ietf:params:scim:schemas:core:2.0:User:ACTIVE","value":false}`), 200, true},
		{"deleted", "DELETE", "", 204, true},
		{"the last of several operations", "PATCH",
			patch(`{"op":"replace","path":"displayName","value":"A"},` + deactivatedByEntra), 200, true},
		{"another id at once", "PUT", `{"userName":"ada","externalId":"another","active":false}`, 200, true},
		{"PUT without active", "PUT", `{"userName":"ada","externalId":"a2b4c6"}`, 200, false},
		{"PUT with null", "PUT", `{"userName":"ada","active":null}`, 200, false},
		{"active", "PATCH", patch(`{"op":"Replace","path":"active","value":"True"}`), 200, false},
		{"another attribute", "PATCH",
			patch(`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"false"}`), 200, false},
		{"active of another schema", "PATCH",
			patch(`{"op":"replace","path":"urn:x:2.0:User:active","value":false}`), 200, false},
		{"active taken away", "PATCH", patch(`{"op":"remove","path":"active"}`), 200, false},
		{"activated at last", "PATCH",
			patch(deactivatedByOkta + `,{"op":"replace","path":"active","value":true}`), 200, false},
		{"an operation that fails", "PATCH", patch(deactivatedByEntra + `,{"op":"remove","path":"userName"}`), 400, false},
		{"no boolean", "PATCH", patch(`{"op":"replace","path":"active","value":0}`), 400, false},
	}
	for i, tt := range tests {
		user := b.user(fmt.Sprint("ada", i), testbridge.Ada().Subject)
		token := b.Link()
		b.WantSCIM(tt.status, tt.method, user, strings.Replace(tt.body, `"ada"`, fmt.Sprintf(`"ada%d"`, i), 1))
		if active := b.Lookup(token).Active; active == tt.ends {
			t.Errorf("%s: the link is active: %v", tt.name, active)
		}
		if tt.method == "DELETE" {
			b.WantSCIM(404, "GET", user, "")
		} else if got := b.WantSCIM(200, "GET", user, "")["active"]; got != !tt.ends {
			t.Errorf("%s: active is %v", tt.name, got)
		}
		b.Clock.Advance(time.Second)
	}
	for _, link := range b.Links() {
		if link.Revoked() && (link.Reason != bridge.ReasonDeprovisioned || link.Actor != "provider:corp") {
			t.Errorf("a link ended for %q by %q", link.Reason, link.Actor)
		}
	}
	token := b.Link()
	b.WantSCIM(201, "POST", "/Users", `{"userName":"somebody","externalId":"A2B4C6","active":false}`)
	b.WantActive(token)
	b.WantSCIM(201, "POST", "/Users", `{"userName":"inactive to begin with","externalId":"a2b4c6","active":"false"}`)
	b.WantInactive(token)
	if body := lookUp(b, test); !strings.Contains(body, `"active":true`) {
		t.Errorf("a test link ended: %s", body)
	}
}

// TestSCIMRevivesNothing activates an account again, and creates it anew. Sign-ins from before it ended count no more.
func TestSCIMRevivesNothing(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	user, token := b.user("ada", "a2b4c6"), b.Link()
	phone := simulator.NewPhone()
	consent := b.SignIn(phone, b.Request(), testbridge.Ada())
	b.WantSCIM(200, "PATCH", user, patch(deactivatedByOkta))
	b.WantSCIM(200, "PATCH", user, patch(`{"op":"replace","value":{"active":true}}`))
	b.WantInactive(token)
	wantSignInRevoked(b, b.Decide(phone, consent, "link"))
	b.WantSCIM(204, "DELETE", user, "")
	b.user("ada", "a2b4c6")
	b.WantInactive(token)

	b.Clock.Advance(time.Second)
	b.WantActive(b.Link()) // a new sign-in, of an account that is active
}

// TestSCIMMatches compares attributes of users with claims of links.
func TestSCIMMatches(t *testing.T) {
	t.Parallel()
	const ends, keeps = true, false
	for name, tt := range map[string]struct {
		attribute, claim, userName, externalID string
		ends                                   bool
	}{
		"external id and subject":      {"externalId", "sub", "x", "a2b4c6", ends},
		"user name and subject":        {"userName", "sub", "A2B4C6", "x", ends},
		"user name and e-mail":         {"userName", "email", "ADA@contoso.com", "x", ends},
		"external id and e-mail":       {"externalId", "email", "x", "ada@contoso.com", ends},
		"external id in another case":  {"externalId", "sub", "x", "A2B4C6", keeps},
		"e-mail in another case":       {"externalId", "email", "x", "ADA@contoso.com", keeps},
		"the other attribute":          {"externalId", "sub", "a2b4c6", "x", keeps},
		"the other attribute's name":   {"userName", "sub", "x", "a2b4c6", keeps},
		"the subject for an e-mail":    {"externalId", "email", "x", "a2b4c6", keeps},
		"no external id":               {"externalId", "email", "x", "", keeps},
		"no external id for a subject": {"externalId", "sub", "x", "", keeps},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, withSCIM(tt.attribute, tt.claim))
			token := b.Link()
			user := b.user(tt.userName, tt.externalID)
			b.WantSCIM(200, "PATCH", user, patch(deactivatedByEntra))
			if active := b.Lookup(token).Active; active == tt.ends {
				t.Errorf("the link is active: %v", active)
			}
			outcome := map[bool]string{ends: "ended", keeps: "no_link"}[tt.ends]
			b.WantMetric(`bridge_scim_deprovisioned_total{outcome="` + outcome + `",provider="corp"} 1`)
			message := map[bool]string{ends: "links of a directory's user ended",
				keeps: "no link of a directory's user"}[tt.ends]
			b.WantLogged(map[string]any{"msg": message, "level": "INFO", "provider": "corp",
				"user_id": strings.TrimPrefix(user, "/Users/")})
		})
	}
}

// linkPerson links a person by the implicit grant, and returns the access token.
func linkPerson(b *testBridge, person upstreamtest.Person) string {
	b.Helper()
	phone, request := simulator.NewPhone(), b.Request()
	return b.WantToken(request, b.Decide(phone, b.SignIn(phone, request, person), "link"))
}

// linkOneAddress links Ada, and Hedy with Ada's address.
func linkOneAddress(b *testBridge) (ofAda, ofHedy string) {
	b.Helper()
	hedy := testbridge.Hedy()
	hedy.Email = testbridge.Ada().Email
	b.Provider.SetPerson(hedy)
	return b.Link(), linkPerson(b, hedy)
}

// TestSCIMAmbiguous has two persons with one address. The directory is told of success all the same.
func TestSCIMAmbiguous(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMUserName, "email"))
	token, other := linkOneAddress(b)
	user := b.user("ada@contoso.com", "")
	if got := b.WantSCIM(200, "PATCH", user, patch(deactivatedByOkta))["active"]; got != false {
		t.Errorf("active is %v", got)
	}
	b.WantSCIM(204, "DELETE", user, "")
	b.WantActive(token)
	b.WantActive(other)
	b.WantMetric(`bridge_scim_deprovisioned_total{outcome="ambiguous",provider="corp"} 2`)
	b.WantLogged(map[string]any{"msg": "no link ended: a directory's user stands for several persons", "level": "ERROR",
		"provider": "corp"})

	// Several links of one person are not ambiguous.
	b.Clock.Advance(time.Second)
	hedy := testbridge.Hedy()
	b.Provider.SetPerson(hedy)
	fresh, again := linkPerson(b, hedy), linkPerson(b, hedy)
	b.WantSCIM(204, "DELETE", b.user("hedy@contoso.com", ""), "")
	b.WantInactive(fresh)
	b.WantInactive(again)
}
