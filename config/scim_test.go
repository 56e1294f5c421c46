package config_test

import (
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// scimToken is the token of a directory.
const scimToken = "J7wQ2eR5tY8uI1oP4aS6dF9gH3kL0zXc"

// withProvider returns the good configuration with keys of the provider and another issuer.
func withProvider(t *testing.T, issuer, keys string) string {
	t.Helper()
	t.Setenv("BRIDGE_TEST_SCIM", scimToken)
	text := replaced(t, "client_id: alexa-bridge", "client_id: alexa-bridge\n    "+keys)
	return strings.Replace(text, "issuer: https://login.example.com", "issuer: "+issuer, 1)
}

const someIssuer, entraIssuer = "https://login.example.com", "https://login.microsoftonline.com/tenant/v2.0"

func TestSCIM(t *testing.T) {
	const token = `"${BRIDGE_TEST_SCIM}"`
	for keys, want := range map[string]struct {
		attribute, claim string
		has              bool
	}{
		"timeout: 10s":                   {"", "", false},
		`scim: {token: ""}`:              {"", "", false},
		"scim: {token: " + token + "}":   {"externalId", "sub", true},
		`scim: {token: [` + token + `]}`: {"externalId", "sub", true},
		"scim: {token: [" + skillSecret + ", " + token + "], attribute: userName, claim: upn}": {"userName", "upn", true},
	} {
		loaded, _ := load(t, withProvider(t, someIssuer, keys))
		scim := loaded.Server.Accounts["corp"].SCIM
		if scim.Attribute != want.attribute || scim.Claim != want.claim || scim.HasToken(scimToken) != want.has ||
			scim.HasToken("") {
			t.Errorf("%s: %+v, want %+v", keys, scim, want)
		}
		if !want.has && (len(scim.Tokens) > 0 || len(loaded.Server.Accounts["corp"].Claims()) > 0) {
			t.Errorf("%s: a directory without a token", keys)
		}
	}
}

func TestSCIMProblems(t *testing.T) {
	const shared = "21:13: backends[0].secret: the same secret as providers[0].scim.token"
	for keys, want := range map[string]string{
		"scim: {token: short}":                            "10:19: providers[0].scim.token: 5 characters long",
		"scim: {token: " + backendSecret + "}":            shared,
		"scim: {attribute: email}":                        `10:23: providers[0].scim.attribute: unknown: "email"`,
		"scim: {tokens: x}":                               `10:12: providers[0].scim.tokens: unknown key`,
		"scim: {token: a" + strings.Repeat("b", 40) + "}": "10:19: providers[0].scim.token: can be guessed: ",
	} {
		problems := problemsOf(t, withProvider(t, someIssuer, keys))
		if len(problems) != 1 || !strings.HasPrefix(problems[0], want) {
			t.Errorf("%s: %v, want %s", keys, problems, want)
		}
	}
}

// TestSCIMWarnings has the sub of Entra ID, which no directory knows.
func TestSCIMWarnings(t *testing.T) {
	const token = `token: "${BRIDGE_TEST_SCIM}"`
	for name, test := range map[string]struct{ issuer, keys, want string }{
		"sub of Entra ID": {entraIssuer, "scim: {" + token + "}", "set subject_claim: oid"},
		"and by name": {entraIssuer, "subject_claim: sub\n    scim: {" + token + ", claim: sub}",
			"set subject_claim: oid"},
		"oid as the subject":  {entraIssuer, "subject_claim: oid\n    scim: {" + token + "}", ""},
		"oid as the claim":    {entraIssuer, "scim: {" + token + ", claim: oid}", ""},
		"no directory":        {entraIssuer, "scim: {claim: sub}", ""},
		"another provider":    {someIssuer, "scim: {" + token + "}", ""},
		"a claim with a dot":  {someIssuer, "scim: {" + token + ", claim: a.b}", "a nested one"},
		"a token in the file": {someIssuer, "scim: {token: " + scimToken + "}", "written in the configuration"},
	} {
		_, warnings := load(t, withProvider(t, test.issuer, test.keys))
		wanted := 0
		for _, warning := range warnings {
			if strings.HasPrefix(warning.Path, "providers[0].scim") && test.want != "" &&
				strings.Contains(warning.Text, test.want) {
				wanted++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[test.want == ""]; wanted != want || len(warnings) != want {
			t.Errorf("%s: warnings %v, want %q", name, warnings, test.want)
		}
	}
	if bridge.SCIMExternalID != "externalId" || bridge.SCIMUserName != "userName" {
		t.Error("the names of the attributes are those of the configuration")
	}
}
