package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/config"
)

func TestProviderKeys(t *testing.T) {
	const issuer, id = "issuer: https://login.example.com", "client_id: alexa-bridge"
	tests := []struct{ name, old, new, want string }{
		{"a discovery document for an issuer", issuer, issuer + "/.well-known/openid-configuration",
			"8:13: providers[0].issuer: the URL of a document, not an issuer: " +
				`"https://login.example.com/.well-known/openid-configuration"`},
		{"another document for an issuer", issuer, "issuer: https://a.example/.well-known/x?y=1",
			`8:13: providers[0].issuer: the URL of a document, not an issuer: "https://a.example/.well-known/x?y=1"`},
		{"a space in an issuer", issuer, `issuer: "https://login.example.com/ "`,
			`8:13: providers[0].issuer: not an issuer: "https://login.example.com/ "`},
		{"a password in an issuer", issuer, "issuer: https://me:S3cret@login.example.com",
			"8:13: providers[0].issuer: not an issuer"},
		{"a line break behind an issuer", issuer, "issuer: |\n      https://login.example.com",
			`8:13: providers[0].issuer: ends with a line break: "https://login.example.com\n"`},
		{"a discovery URL over http", id, id + "\n    discovery_url: http://login.example.com/d",
			`10:20: providers[0].discovery_url: not https: "http://login.example.com/d"`},
		{"a discovery URL without host", id, id + "\n    discovery_url: /d",
			`10:20: providers[0].discovery_url: not a URL: "/d"`},
		{"a discovery URL that is none", id, id + "\n    discovery_url: ldap://x/d",
			`10:20: providers[0].discovery_url: not a URL: "ldap://x/d"`},
		{"a subject that changes", id, id + "\n    subject_claim: preferred_username",
			"10:20: providers[0].subject_claim: " +
				`a claim that people can change: "preferred_username"`},
		{"an empty name in a path", id, id + "\n    email_claim: [contact, \"\"]",
			"10:5: providers[0].email_claim: contains an empty name"},
		{"a mapping for a path", id, id + "\n    name_claim: {a: b}",
			"10:5: providers[0].name_claim: not a string or a list of strings, but a mapping"},
		{"a client id with a no-break space", id, id + "\u00a0",
			"9:16: providers[0].client_id: character 13 is not printable ASCII: \"alexa-bridge\\u00a0\""},
		{"an operator without a name", "public_url:", "operator: {url: https://www.example.com}\npublic_url:",
			"2:1: operator.name: missing, though operator.url is set"},
		{"a long name of an operator", "public_url:", "operator: {name: " + longText + "}\npublic_url:",
			`2:18: operator.name: longer than 100 bytes: "` + longText[:80] + `…"`},
		{"a script for an operator", "public_url:", "operator: {name: X, url: \"javascript:alert(1)\"}\npublic_url:",
			`2:26: operator.url: not a web address: "javascript:alert(1)"`},
		{"a name for a proxy", "10.0.0.0/8", "proxy.example.com",
			`5:19: trusted_proxies[0]: not a network or an address: "proxy.example.com"`},
		{"a proxy with a zone", "10.0.0.0/8", "\"fe80::1%eth0\"",
			`5:19: trusted_proxies[0]: not a network or an address: "fe80::1%eth0"`},
		{"an address with a prefix", "10.0.0.0/8", "10.1.2.3/8",
			`5:19: trusted_proxies[0]: an address in a network, not a network: "10.1.2.3/8"`},
		{"IPv4 as IPv6", "10.0.0.0/8", "\"::ffff:10.0.0.0/104\"",
			`5:19: trusted_proxies[0]: an IPv4 network in the form of IPv6: "::ffff:10.0.0.0/104"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := problemsOf(t, replaced(t, tt.old, tt.new)); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("problems:\n%s\nwant one:\n%s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

func TestLogoutKeys(t *testing.T) {
	const id = "client_id: alexa-bridge"
	for text, want := range map[string]bridge.AccountPolicy{
		id: {OnLogout: bridge.LogoutRechecks},
		id + "\n    on_logout: revoke\n    email_trusted: true":   {OnLogout: bridge.LogoutRevokes, EmailTrusted: true},
		id + "\n    on_logout: keep\n    universal_logout: true":  {OnLogout: bridge.LogoutIgnored, UniversalLogout: true},
		id + "\n    on_logout: \"\"\n    universal_logout: false": {OnLogout: bridge.LogoutRechecks},
	} {
		loaded, _ := load(t, replaced(t, id, text))
		if got := loaded.Server.Accounts["corp"]; got.OnLogout != want.OnLogout ||
			got.UniversalLogout != want.UniversalLogout ||
			got.EmailTrusted != want.EmailTrusted {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if got := problemsOf(t, replaced(t, id, id+"\n    on_logout: never")); len(got) != 1 ||
		got[0] != `10:16: providers[0].on_logout: unknown: "never"` {
		t.Errorf("problems %v", got)
	}
}

// TestUniversalLogoutOfOkta verifies that custom authorization servers of Okta, which do not sign its requests, are
// refused.
func TestUniversalLogoutOfOkta(t *testing.T) {
	for issuer, works := range map[string]bool{
		"https://contoso.okta.com":                                true,
		"https://login.contoso.com":                               true,
		"https://login.contoso.com/oauth2":                        true,
		"https://am.contoso.com/oauth2/realms/root":               true,
		"https://notokta.com/oauth2/x":                            true,
		"https://contoso.okta.com/oauth2/default":                 false,
		"https://contoso.oktapreview.com/oauth2/aus1a2b3c4d5e6f7": false,
		"https://Contoso.OKTA.com/oauth2/x":                       false,
		"https://login.contoso.com/oauth2/default":                false,
		"https://login.contoso.com/oauth2/aus1a2b3c4d5e6f7g8h9":   false,
	} {
		text := replaced(t, "https://login.example.com", issuer+"\n    universal_logout: true")
		if works {
			if _, warnings := load(t, text); len(warnings) != 1 || warnings[0].Path != "providers[0].universal_logout" ||
				!strings.Contains(warnings[0].Text, "made before") {
				t.Errorf("%s: warnings %v", issuer, warnings)
			}
			continue
		}
		if got := problemsOf(t, text); len(got) != 1 ||
			!strings.HasPrefix(got[0], "9:23: providers[0].universal_logout: set for a custom authorization server") {
			t.Errorf("%s: problems %v", issuer, got)
		}
	}
}

func TestNewKeys(t *testing.T) {
	text := replaced(t, "client_id: alexa-bridge", "client_id: alexa-bridge\n    email_claim: [emails]\n"+
		"    name_claim: [person, name]\n    discovery_url: https://login.example.com/d?appid=${BRIDGE_TEST_SECRET}")
	text = strings.Replace(text, "[10.0.0.0/8]", "[10.0.0.0/8, 192.0.2.1, \"2001:db8::/32\", \"::1\"]\n"+
		"operator: {name: Contoso IT, url: https://it.contoso.com}", 1)
	loaded, warnings := load(t, text)
	provider := loaded.Server.Providers[0]
	if provider.DiscoveryURL != "https://login.example.com/d?appid="+secret ||
		!slices.Equal(provider.EmailClaim, []string{"emails"}) ||
		!slices.Equal(provider.NameClaim, []string{"person", "name"}) || len(provider.GroupsClaim) != 0 {
		t.Errorf("provider %+v", provider)
	}
	if want := (server.Operator{Name: "Contoso IT", URL: "https://it.contoso.com"}); loaded.Server.Operator != want {
		t.Errorf("operator %+v, want %+v", loaded.Server.Operator, want)
	}
	var want []netip.Prefix
	for _, text := range []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::1/128"} {
		want = append(want, netip.MustParsePrefix(text))
	}
	if !slices.Equal(loaded.Server.TrustedProxies, want) || len(warnings) != 0 {
		t.Errorf("proxies %v, want %v; warnings %v", loaded.Server.TrustedProxies, want, warnings)
	}
}

// A secret with a line break behind it is never right (RFC 6749, appendix A.2), and hard to see.
func TestSecretCharacters(t *testing.T) {
	places := []struct{ name, path, old, new, after string }{
		{"provider", "10:20: providers[0].client_secret", "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: ", ""},
		{"skill", "15:20: skills[0].client_secret", "grants: [implicit]", "grants: [implicit]\n    client_secret: ", ""},
		{"backend", "20:13: backends[0].secret", "secret: ${BRIDGE_TEST_BACKEND}\n    skills", "secret: ", "\n    skills"},
		{"key", "4:5: keys[0]", `["${BRIDGE_TEST_KEY}"]`, "\n  - ", ""},
	}
	values := []struct{ name, environment, yaml, want, hint string }{
		{"a line break in the environment", secret + "\n", "${SECRET}", "ends with a line break", "printf"},
		{"a line break of Windows", secret + "\r\n", "${SECRET}", "ends with a line break", "printf"},
		{"a block", "", "|\n        " + secret, "ends with a line break", "|- for |"},
		{"two lines", secret + "\n" + secret, "${SECRET}", "contains a line break or another control character",
			"remove it"},
		{"a tab in front", "\t" + secret, "${SECRET}", "contains a line break or another control character", "remove it"},
		{"a typographic quote", "“" + secret, "${SECRET}", "character 1 is not printable ASCII", "remove it"},
		{"an invisible space", secret + "\u200b", "${SECRET}", "character 33 is not printable ASCII", "remove it"},
	}
	for _, place := range places {
		for _, value := range values {
			if place.name == "key" && strings.Contains(value.want, "ASCII") {
				continue // not base64
			}
			t.Run(place.name+"/"+value.name, func(t *testing.T) {
				t.Setenv("SECRET", value.environment)
				text := replaced(t, place.old, place.new+value.yaml+place.after)
				_, _, err := config.Load(write(t, text))
				problems, _ := errors.AsType[config.Problems](err)
				if len(problems) != 1 || !strings.Contains(problems[0].Hint, value.hint) ||
					strings.Contains(err.Error(), secret) {
					t.Fatalf("%v, want one problem with %q", err, value.hint)
				}
				want := place.path + ": " + value.want + "; "
				if !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
			})
		}
	}
}

// What comes from ${…} or from the environment is not printed, and what is not in the file has no line.
func TestValuesFromElsewhere(t *testing.T) {
	const value = "Value From Elsewhere"
	t.Setenv("VALUE", value)
	for _, key := range []string{"id: corp", "issuer: https://login.example.com", "[implicit]", "name: Contoso Pizza",
		"[M2AAAAAAAAAAAA]", "[pizza]", "1h}", "[10.0.0.0/8]", "sqlite"} {
		name, _, isPair := strings.Cut(key, ": ")
		reference := map[bool]string{true: name + ": ${VALUE}", false: `["${VALUE}"]`}[isPair]
		switch key {
		case "name: Contoso Pizza":
			reference = "provider: ${VALUE}\n    " + key
		case "1h}", "sqlite":
			reference = `"${VALUE}"` + strings.TrimPrefix(key, "1h")
			reference = strings.TrimSuffix(reference, "sqlite")
		}
		if got := problemsOf(t, replaced(t, key, reference)); len(got) == 0 || strings.Contains(fmt.Sprint(got), value) {
			t.Errorf("%s: %q", key, got)
		}
	}
	for variable, want := range map[string]string{
		"BRIDGE_PUBLIC_URL":           "public_url: not a URL (set by BRIDGE_PUBLIC_URL)",
		"BRIDGE_LISTEN":               "listen: not an address to listen on (set by BRIDGE_LISTEN)",
		"BRIDGE_STORAGE_DRIVER":       "storage.driver: unknown (set by BRIDGE_STORAGE_DRIVER)",
		"BRIDGE_LOOKUP_MAX_STALENESS": "lookup.max_staleness: not a duration (set by BRIDGE_LOOKUP_MAX_STALENESS)",
		"BRIDGE_STORAGE_DSN":          "storage.dsn: ends with a line break (set by BRIDGE_STORAGE_DSN)",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value+map[bool]string{true: "\n"}[variable == "BRIDGE_STORAGE_DSN"])
			if got := problemsOf(t, good); !slices.Equal(got, []string{want}) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// Anchors, aliases and merges work as everywhere in YAML.
func TestAliases(t *testing.T) {
	text := replaced(t, "tokens: {implicit_lifetime: 1h}",
		"tokens: &t {implicit_lifetime: 1h, refresh: rotate}\n"+
			"  - client_id: lights\n    name: &n Lights\n    grants: [implicit]\n    vendor_ids: [M2AAAAAAAAAAAA]\n"+
			"    tokens: {<<: *t, implicit_lifetime: 2h}\n"+
			"  - client_id: doors\n    name: *n\n    grants: [implicit]\n    vendor_ids: [M2AAAAAAAAAAAA]\n    tokens: *t")
	loaded, _ := load(t, text)
	var got []string
	for _, skill := range loaded.Server.Skills {
		got = append(got, fmt.Sprint(skill.Name, skill.ImplicitLifetime, skill.RotateRefresh))
	}
	if want := []string{"Contoso Pizza1h0m0s true", "Lights2h0m0s true", "Lights1h0m0s true"}; !slices.Equal(got, want) {
		t.Errorf("skills %q, want %q", got, want)
	}
	if got := problemsOf(t, replaced(t, "tokens: {", "tokens: &t {<<: *t, ")); !slices.Equal(got,
		[]string{"17:5: skills[0].tokens: merges what is not another mapping"}) {
		t.Errorf("a mapping merged into itself: %q", got)
	}
}
