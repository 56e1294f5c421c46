package config_test

import (
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

const twoProviders = `  - {id: other, issuer: https://other.example.com, client_id: x}
skills:
  - {client_id: lights, name: L, provider: other, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}
`

func TestWarnings(t *testing.T) {
	grants := good[strings.Index(good, "grants:"):strings.Index(good, "backends:")]
	provider := func(keys string) string { return "client_id: alexa-bridge\n    " + keys }
	redirects := func(hosts ...string) string {
		return "redirect_uris: [https://" + strings.Join(hosts, "/api/skill/link/M2, https://") + "/api/skill/link/M2]"
	}
	tests := []struct {
		name, old, new string
		path, text     string // of the only warning, the text in part
	}{
		{"consent off", "name: Contoso Pizza", "consent: false\n    name: Contoso Pizza", "skills[0].consent", "off"},
		{"test links", "name: Contoso Pizza", "test_tokens: true\n    name: Contoso Pizza",
			"skills[0].test_tokens", "links mint"},
		{"no limit of links", "name: Contoso Pizza", "max_links_per_person: 0\n    name: Contoso Pizza",
			"skills[0].max_links_per_person", "one account can fill the database"},
		{"both grants", "grants: [implicit]",
			"grants: [implicit, authorization_code]\n    client_secret: ${BRIDGE_TEST_SKILL}", "skills[0].grants", "both"},
		{"refresh that ends", grants,
			"grants: [authorization_code]\n    client_secret: ${BRIDGE_TEST_SKILL}\n    vendor_ids: [M2AAAAAAAAAAAA]\n" +
				"    tokens: {refresh_lifetime: 720h}\n", "skills[0].tokens.refresh_lifetime", "not 0s"},
		{"inline client secret", "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: " + secret,
			"providers[0].client_secret", "written in the configuration"},
		{"inline backend secret", "secret: ${BRIDGE_TEST_BACKEND}\n    skills", "secret: " + backendSecret + "\n    skills",
			"backends[0].secret", "written in the configuration"},
		{"inline backend secrets", "secret: ${BRIDGE_TEST_BACKEND}\n    skills",
			"secret: [\"${BRIDGE_TEST_BACKEND}\", " + skillSecret + "]\n    skills", "backends[0].secret[1]", "written in"},
		{"inline key", "${BRIDGE_TEST_KEY}", keys.Generate(), "keys[0]", "written in the configuration"},
		{"groups with Google", "https://login.example.com", "https://accounts.google.com", "skills[0].claims", "groups"},
		{"common", "https://login.example.com", "https://login.microsoftonline.com/common/v2.0", "providers[0].issuer",
			"no tenant"},
		{"organizations", "https://login.example.com", "https://login.microsoftonline.com/organizations/v2.0",
			"providers[0].issuer", "no tenant"},
		{"admin listener", "public_url:", "admin_listen: \":8081\"\npublic_url:", "admin_listen", "firewall"},
		{"several providers", "skills: [pizza]", "skills: [pizza, lights]", "backends[0].skills", "upstream_iss and sub"},
		{"a port", "https://link.example.com", "https://link.example.com:8443", "public_url", "port 443 only"},
		{"no proxies", "trusted_proxies: [10.0.0.0/8]\n", "", "trusted_proxies", "address of your proxy"},
		{"every proxy", "10.0.0.0/8", "0.0.0.0/0", "trusted_proxies[0]", "anyone can claim any address"},
		{"half of all addresses as proxies", "10.0.0.0/8", "128.0.0.0/1",
			"trusted_proxies[0]", "a large part of the internet"},
		{"no limit of requests", "trusted_proxies:", "limits: {requests_per_minute: 0}\ntrusted_proxies:",
			"limits.requests_per_minute", "0: one address"},
		{"a redirect URI for tests", "grants: [implicit]",
			"redirect_uris: [\"http://localhost:9000/\"]\n    grants: [implicit]",
			"skills[0].redirect_uris[0]", "for tests only"},
		{"a claim that people choose", "allow: {groups: [staff]}",
			"allow: {claims: [{name: preferred_username, any_of: [boss@contoso.com]}]}",
			"skills[0].allow.claims[0]", "people may be able to change"},
		{"a path of groups with a dot", "client_id: alexa-bridge", provider("groups_claim: realm_access.roles"),
			"providers[0].groups_claim", "such as [realm_access, roles]"},
		{"a longer one in a list", "client_id: alexa-bridge", provider("groups_claim: [resource_access.pizza, roles]"),
			"providers[0].groups_claim", "such as [resource_access, pizza, roles]"},
		{"one from the environment", "client_id: alexa-bridge", provider("groups_claim: a.${BRIDGE_TEST_SECRET}"),
			"providers[0].groups_claim", "such as [realm_access, roles]"},
		{"a path of the e-mail with a dot", "client_id: alexa-bridge", provider("email_claim: contact.email"),
			"providers[0].email_claim", "such as [contact, email]"},
		{"a path of the name with a dot", "client_id: alexa-bridge", provider("name_claim: person.name"),
			"providers[0].name_claim", "such as [person, name]"},
		{"a subject with a dot", "client_id: alexa-bridge", provider("subject_claim: person.id"),
			"providers[0].subject_claim", "never taken from inside"},
		{"a kept claim with a dot", "name: Contoso Pizza", "claims: [address.country]\n    name: Contoso Pizza",
			"skills[0].claims[0]", "a nested one"},
		{"a rule with a dot", "{groups: [staff]}", "{claims: [{name: realm_access.roles, any_of: [x]}]}",
			"skills[0].allow.claims[0]", "a nested one"},
		{"one region", "vendor_ids: [M2AAAAAAAAAAAA]", redirects("layla.amazon.com"), "skills[0].redirect_uris",
			"pitangui.amazon.com and alexa.amazon.co.jp"},
		{"two regions", "vendor_ids: [M2AAAAAAAAAAAA]", redirects("layla.amazon.com", "pitangui.amazon.com"),
			"skills[0].redirect_uris", "those of alexa.amazon.co.jp"},
		{"a discovery document over http", "client_id: alexa-bridge", provider("discovery_url: http://127.0.0.1/d"),
			"providers[0].discovery_url", "http, though"},
		{"a secret with a space", "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: \"${BRIDGE_TEST_SECRET} \"",
			"providers[0].client_secret", "begins or ends with a space"},
		{"an address that Entra's guests can enter", "allow: {groups: [staff]}",
			"allow: {email_domains: [contoso.com]}", "skills[0].allow.email_domains", "guests"},
		{"an address that is never verified", "allow: {groups: [staff]}",
			"allow: {email_domains: [contoso.com]}", "skills[0].allow.email_domains", "holds for nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := replaced(t, tt.old, tt.new)
			switch tt.name {
			case "an address that Entra's guests can enter":
				text = strings.Replace(text, "issuer: https://login.example.com",
					"issuer: https://login.microsoftonline.com/tenant/v2.0\n    email_trusted: true", 1)
			case "several providers":
				text = strings.Replace(text, "skills:\n", twoProviders, 1)
				text = strings.Replace(text, "name: Contoso Pizza", "provider: corp\n    name: Contoso Pizza", 1)
			case "an address that is never verified":
				text = strings.Replace(text, "client_id: alexa-bridge", provider("email_claim: emails"), 1)
			}
			_, warnings := load(t, text)
			if len(warnings) != 1 || warnings[0].Path != tt.path || !strings.Contains(warnings[0].Text, tt.text) {
				t.Errorf("warnings %v, want one of %s with %q", warnings, tt.path, tt.text)
			}
		})
	}
}

// What is only the default, or right in another way, is no warning.
func TestNoWarnings(t *testing.T) {
	tests := []struct{ name, old, new string }{
		{"no allow", "    allow: {groups: [staff]}\n", ""},
		{"a token that never expires", "tokens: {implicit_lifetime: 1h}", "tokens: {implicit_lifetime: 0s}"},
		{"no backends", good[strings.Index(good, "backends:"):], ""},
		{"no proxy in front of a loopback", "public_url: https://link.example.com", "public_url: http://localhost:8080"},
		{"a claim that is a URL", "client_id: alexa-bridge",
			"client_id: alexa-bridge\n    groups_claim: https://a.example/groups"},
		{"a claim that is a URN", "client_id: alexa-bridge", "client_id: alexa-bridge\n    groups_claim: urn:oid:1.3.6.1"},
		{"a path", "client_id: alexa-bridge", "client_id: alexa-bridge\n    groups_claim: [realm_access, roles]"},
		{"a URI of one's own", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [https://app.example.com/linked]"},
		{"one region more", "vendor_ids: [M2AAAAAAAAAAAA]",
			"vendor_ids: [M2AAAAAAAAAAAA]\n    redirect_uris: [https://layla.amazon.com/api/skill/link/M3AAAAAAAAAAAA]"},
		{"a secret with a space inside", "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: ${BRIDGE_TEST_SECRET} x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := replaced(t, tt.old, tt.new)
			if tt.name == "no proxy in front of a loopback" {
				text = strings.Replace(text, "trusted_proxies: [10.0.0.0/8]\n", "", 1)
			}
			if _, warnings := load(t, text); len(warnings) != 0 {
				t.Errorf("warnings %v", warnings)
			}
		})
	}
}

// A warning has the line of its key, and the warnings are in the order of their lines.
func TestWarningPlaces(t *testing.T) {
	_, warnings := load(t, strings.NewReplacer("name: Contoso Pizza", "consent: false\n    name: Contoso Pizza",
		"public_url: https://link.example.com", "admin_listen: \":8081\"\npublic_url: https://link.example.com:8443",
		"client_secret: ${BRIDGE_TEST_SECRET}",
		"client_secret: "+secret).Replace(good))
	places := []string{"2:15: admin_listen: ", "3:13: public_url: ", "11:20: providers[0].client_secret: ",
		"14:14: skills[0].consent: "}
	if !slices.EqualFunc(warnings, places, func(w config.Warning, place string) bool {
		return strings.HasPrefix(w.String(), place)
	}) {
		t.Errorf("warnings %v, want them at %q", warnings, places)
	}
}
