package config_test

import (
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

// withAdminToken returns the configuration with an admin token. The variable BRIDGE_TEST_ADMIN has its secret.
func withAdminToken(t *testing.T, token string) string {
	t.Helper()
	return replaced(t, "public_url:", "admin_tokens:\n  - "+token+"\npublic_url:")
}

const goodAdminToken = "{name: hr-2, secret: \"${BRIDGE_TEST_ADMIN}\", may: [read, revoke]}"

func TestAdminTokens(t *testing.T) {
	secret, next := keys.Generate(), keys.Generate()
	t.Setenv("BRIDGE_TEST_ADMIN", secret)
	t.Setenv("BRIDGE_TEST_NEXT", next)
	loaded, warnings := load(t, withAdminToken(t, goodAdminToken+
		"\n  - {name: erasure, secret: [\"${BRIDGE_TEST_NEXT}\"], may: [forget]}"))
	tokens := loaded.Server.AdminTokens
	if len(tokens) != 2 || len(warnings) != 0 {
		t.Fatalf("tokens %+v, warnings %v", tokens, warnings)
	}
	if hr := bridge.FindAdminToken(tokens, secret); hr == nil || hr.Name != "hr-2" ||
		!slices.Equal(hr.May, []bridge.AdminRight{bridge.AdminRead, bridge.AdminRevoke}) {
		t.Errorf("the token of the secret is %+v", hr)
	}
	if erasure := bridge.FindAdminToken(tokens, next); erasure == nil || !erasure.Has(bridge.AdminForget) ||
		erasure.Has(bridge.AdminRead) {
		t.Errorf("the token of the other secret is %+v", erasure)
	}
	if loaded, _ := load(t, good); len(loaded.Server.AdminTokens) != 0 {
		t.Errorf("tokens without the key: %+v", loaded.Server.AdminTokens)
	}
}

func TestAdminTokenProblems(t *testing.T) {
	secret := keys.Generate()
	t.Setenv("BRIDGE_TEST_ADMIN", secret)
	const reference = `"${BRIDGE_TEST_ADMIN}"`
	for _, tt := range []struct{ name, token, want string }{
		{"no name", "{secret: " + reference + ", may: [read]}", "3:5: admin_tokens[0].name: not a name"},
		{"an upper case name", "{name: HR, secret: " + reference + ", may: [read]}",
			`3:12: admin_tokens[0].name: not a name: "HR"`},
		{"a long name", "{name: " + strings.Repeat("x", 65) + ", secret: " + reference + ", may: [read]}",
			"3:12: admin_tokens[0].name: not a name"},
		{"no secret", "{name: hr, may: [read]}", "3:5: admin_tokens[0].secret: missing"},
		{"a short secret", "{name: hr, secret: abcdefgh12345678, may: [read]}",
			"3:24: admin_tokens[0].secret: 16 characters long"},
		{"a guessable secret", "{name: hr, secret: 0123456789abcdef0123456789abcdef, may: [read]}",
			"3:24: admin_tokens[0].secret: can be guessed"},
		{"no rights", "{name: hr, secret: " + reference + "}", "3:5: admin_tokens[0].may: missing or empty"},
		{"empty rights", "{name: hr, secret: " + reference + ", may: []}", "admin_tokens[0].may: missing or empty"},
		{"an unknown right", "{name: hr, secret: " + reference + ", may: [read, revok]}",
			`admin_tokens[0].may[1]: unknown: "revok"; did you mean "revoke"?`},
		{"a strange right", "{name: hr, secret: " + reference + ", may: [everything]}",
			`admin_tokens[0].may[0]: unknown: "everything"; use read, revoke or forget`},
		{"a right twice", "{name: hr, secret: " + reference + ", may: [read, read]}", "admin_tokens[0].may[1]: repeated"},
		{"rights as text", "{name: hr, secret: " + reference + ", may: read}", "admin_tokens[0].may: not a list"},
		{"a misspelled key", "{name: hr, token: " + secret + ", may: [read]}", "admin_tokens[0].token: unknown key"},
		{"a name twice", goodAdminToken + "\n  - " + strings.Replace(goodAdminToken, "ADMIN", "KEY", 1),
			`admin_tokens[1].name: not unique: "hr-2"`},
		{"a secret twice", goodAdminToken + "\n  - " + strings.Replace(goodAdminToken, "hr-2", "hr", 1),
			"admin_tokens[1].secret: the same secret as admin_tokens[0].secret"},
		{"a backend's secret", strings.Replace(goodAdminToken, "BRIDGE_TEST_ADMIN", "BRIDGE_TEST_BACKEND", 1),
			"admin_tokens[0].secret: the same secret as backends[0].secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := config.Load(write(t, withAdminToken(t, tt.token)))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestAdminTokenWarnings(t *testing.T) {
	t.Setenv("BRIDGE_TEST_ADMIN", keys.Generate())
	for listen, want := range map[string]string{"127.0.0.1:8081": "", "localhost:8081": "", "[::1]:8081": "",
		":8081": "plain HTTP", "0.0.0.0:8081": "plain HTTP", "10.1.2.3:8081": "plain HTTP"} {
		text := withAdminToken(t, goodAdminToken+"\nadmin_listen: \""+listen+"\"")
		switch _, warnings := load(t, text); {
		case want == "" && len(warnings) != 0:
			t.Errorf("%s: warnings %v", listen, warnings)
		case want != "" && (len(warnings) != 1 || warnings[0].Path != "admin_listen" ||
			!strings.Contains(warnings[0].Text, want)):
			t.Errorf("%s: warnings %v, want one with %q", listen, warnings, want)
		}
	}
	_, warnings := load(t, withAdminToken(t, "{name: hr, secret: "+keys.Generate()+", may: [read]}"))
	if len(warnings) != 1 || warnings[0].Path != "admin_tokens[0].secret" {
		t.Errorf("warnings %v, want one of a secret in the file", warnings)
	}
}
