package config_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

func TestProblems(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           string // the beginning of a problem
	}{
		{"no public URL", "public_url: https://link.example.com", "", "public_url: missing; "},
		{"plain http", "https://link.example.com", "http://link.example.com", "public_url: not https; "},
		{"a path", "https://link.example.com", "https://link.example.com/alexa", "public_url: not an origin; "},
		{"a slash", "https://link.example.com", "https://link.example.com/", "public_url: not an origin; "},
		{"upper case", "https://link.example.com", "https://Link.example.com", "public_url: not an origin; "},
		{"deproblem port", "https://link.example.com", "https://link.example.com:443", "public_url: names the default port"},
		{"no URL", "https://link.example.com", "link.example.com", "public_url: not a URL; "},
		{"no keys", `keys: ["${BRIDGE_TEST_KEY}"]`, "", "keys: missing; "},
		{"a short key", "${BRIDGE_TEST_KEY}", "c2hvcnQ=", "keys[0]: 5 bytes long, not 32; "},
		{"a key that is none", "${BRIDGE_TEST_KEY}", "not a key!", "keys[0]: not base64; "},
		{"unknown driver", "driver: sqlite", "driver: oracle", "storage.driver: unknown; "},
		{"no file", "dsn: data/bridge.db", `dsn: ""`, "storage.dsn: not the path of a file; "},
		{"in memory", "dsn: data/bridge.db", `dsn: ":memory:"`, "storage.dsn: not the path of a file; "},
		{"a URL for a file", "dsn: data/bridge.db", `dsn: "postgres://db/bridge"`, "storage.dsn: not the path of a file; "},
		{"a file for a URL", "driver: sqlite", "driver: postgres", "storage.dsn: not the URL of a database; "},
		{"a password in a URL", "driver: sqlite, dsn: data/bridge.db",
			`driver: postgres, dsn: "postgres://u:pa/ss@db/bridge"`, "storage.dsn: not the URL of a database; "},
		{"no size", "public_url:", "lookup: {memory: lots}\npublic_url:", "lookup.memory: not a size, or out of range; "},
		{"too small", "public_url:", "lookup: {memory: 1023KiB}\npublic_url:",
			"lookup.memory: not a size, or out of range; "},
		{"a size without a unit", "public_url:", "lookup: {memory: 64}\npublic_url:", "lookup.memory: not a string; "},
		{"typo", "public_url:", "public_ulr:", `public_ulr: unknown key; did you mean "public_url"?`},
		{"typo below", "grants: [implicit]", "grnats: [implicit]", `skills[0].grnats: unknown key; did you mean "grants"?`},
		{"typo far below", "implicit_lifetime: 1h", "implicit_lifetme: 1h",
			`skills[0].tokens.implicit_lifetme: unknown key; did you mean "implicit_lifetime"?`},
		{"unknown key", "public_url:", "frobnicate: 1\npublic_url:", `frobnicate: unknown key; remove it`},
		{"variable missing", "${BRIDGE_TEST_SECRET}", "${NOT_SET_ANYWHERE}",
			"providers[0].client_secret: the environment variable NOT_SET_ANYWHERE is unset or empty; "},
		{"file missing", "${BRIDGE_TEST_SECRET}", "${file:none.txt}", "providers[0].client_secret: the file "},
		{"a folder", "${BRIDGE_TEST_SECRET}", "${file:/}",
			"providers[0].client_secret: the file / cannot be read: not a regular file; "},
		{"an endless file", "${BRIDGE_TEST_SECRET}", "${file:/dev/zero}",
			"providers[0].client_secret: the file /dev/zero cannot be read: not a regular file; "},
		{"no end", "${BRIDGE_TEST_SECRET}", "${BRIDGE_TEST_SECRET", "providers[0].client_secret: a ${ is not closed by }; "},
		{"no name", "${BRIDGE_TEST_SECRET}", "${}",
			"providers[0].client_secret: ${…} does not contain the name of a variable; "},
		{"a number for a text", "client_id: pizza", "client_id: 12345", "skills[0].client_id: not a string; "},
		{"a text for a list", "grants: [implicit]", "grants: implicit", "skills[0].grants: not a list; "},
		{"a list for a group", "allow: {groups: [staff]}", "allow: [staff]", "skills[0].allow: not a mapping; "},
		{"a text for a truth", "name: Contoso Pizza", "consent: yes please\n    name: Contoso Pizza",
			"skills[0].consent: not true or false; "},
		{"a bare number", "implicit_lifetime: 1h", "implicit_lifetime: 3600",
			"skills[0].tokens.implicit_lifetime: not a duration; "},
		{"no duration", "implicit_lifetime: 1h", "implicit_lifetime: soon",
			"skills[0].tokens.implicit_lifetime: not a duration; "},
		{"too short a life", "implicit_lifetime: 1h", "implicit_lifetime: 5m",
			"skills[0].tokens.implicit_lifetime: out of range; "},
		{"less than nothing", "implicit_lifetime: 1h", "implicit_lifetime: -1h",
			"skills[0].tokens.implicit_lifetime: out of range; "},
		{"half seconds", "implicit_lifetime: 1h", "implicit_lifetime: 1h0m0.5s",
			"skills[0].tokens.implicit_lifetime: out of range; "},
		{"provider id", "id: corp", "id: My Corp", "providers[0].id: not an id; "},
		{"issuer", "issuer: https://login.example.com", "issuer: login.example.com", "providers[0].issuer: not an issuer; "},
		{"issuer over http", "issuer: https://login.example.com", "issuer: http://login.example.com",
			"providers[0].issuer: not https; "},
		{"scopes", "client_id: alexa-bridge", "client_id: alexa-bridge\n    scopes: [profile]",
			"providers[0].scopes: openid is missing; "},
		{"our parameter", "client_id: alexa-bridge", "client_id: alexa-bridge\n    auth_params: [\"state=x\"]",
			"providers[0].auth_params[0]: sets state, "},
		{"auth method", "client_id: alexa-bridge", "client_id: alexa-bridge\n    auth_method: magic",
			"providers[0].auth_method: unknown; "},
		{"none with a secret", "client_id: alexa-bridge", "client_id: alexa-bridge\n    auth_method: none",
			"providers[0].auth_method: none, though"},
		{"CA file", "client_id: alexa-bridge", "client_id: alexa-bridge\n    ca_file: none.pem",
			"providers[0].ca_file: cannot be read: "},
		{"timeout", "client_id: alexa-bridge", "client_id: alexa-bridge\n    timeout: 1h",
			"providers[0].timeout: out of range; "},
		{"no grants", "    grants: [implicit]\n", "", "skills[0].grants: missing; "},
		{"code without a secret", "grants: [implicit]", "grants: [authorization_code]", "skills[0].client_secret: missing; "},
		{"short secret", "grants: [implicit]", "grants: [implicit]\n    client_secret: short",
			"skills[0].client_secret: too short"},
		{"access too short", "implicit_lifetime: 1h", "access_lifetime: 5m",
			"skills[0].tokens.access_lifetime: out of range; "},
		{"code too long", "implicit_lifetime: 1h", "code_lifetime: 11m", "skills[0].tokens.code_lifetime: out of range; "},
		{"code for no time", "implicit_lifetime: 1h", "code_lifetime: 0s", "skills[0].tokens.code_lifetime: out of range; "},
		{"refresh too short", "implicit_lifetime: 1h", "refresh_lifetime: 1h",
			"skills[0].tokens.refresh_lifetime: out of range; "},
		{"unknown way to refresh", "implicit_lifetime: 1h", "refresh: sometimes", "skills[0].tokens.refresh: unknown; "},
		{"unknown grant", "grants: [implicit]", "grants: [password]", "skills[0].grants[0]: not supported; "},
		{"no name", "    name: Contoso Pizza\n", "", "skills[0].name: missing"},
		{"unknown provider", "name: Contoso Pizza", "provider: nobody\n    name: Contoso Pizza",
			"skills[0].provider: no provider has this id; "},
		{"vendor id", "vendor_ids: [M2AAAAAAAAAAAA]", "vendor_ids: [m2]", "skills[0].vendor_ids[0]: not a vendor id"},
		{"no redirect", "    vendor_ids: [M2AAAAAAAAAAAA]\n", "", "skills[0].vendor_ids: missing; "},
		{"redirect with fragment", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [\"https://x.example/#\"]",
			"skills[0].redirect_uris[0]: has a fragment; "},
		{"redirect over http", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [\"http://x.example/\"]",
			"skills[0].redirect_uris[0]: not https; "},
		{"redirect without host", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [\"javascript:alert(1)\"]",
			"skills[0].redirect_uris[0]: not an absolute URI; "},
		{"redirect twice", "vendor_ids: [M2AAAAAAAAAAAA]", "vendor_ids: [M2AAAAAAAAAAAA, M2AAAAAAAAAAAA]",
			"skills[0].vendor_ids[1]: listed twice; "},
		{"domain", "allow: {groups: [staff]}", "allow: {email_domains: [\"@contoso.com\"]}",
			"skills[0].allow.email_domains[0]: not a domain; "},
		{"domain in upper case", "allow: {groups: [staff]}", "allow: {email_domains: [Contoso.com]}",
			"skills[0].allow.email_domains[0]: not a domain; "},
		{"half a rule", "allow: {groups: [staff]}", "allow: {claims: [{name: hd}]}",
			"skills[0].allow.claims[0]: incomplete; "},
		{"negative limit", "name: Contoso Pizza", "max_links_per_person: -1\n    name: Contoso Pizza",
			"skills[0].max_links_per_person: less than 0; "},
		{"scope", "name: Contoso Pizza", "scopes: [\"two words\"]\n    name: Contoso Pizza",
			"skills[0].scopes[0]: not a scope"},
		{"backend's skill", "skills: [pizza]", "skills: [burger]", "backends[0].skills[0]: no skill has this client id; "},
		{"backend's id", "id: pizza-backend", "id: \"a:b\"", "backends[0].id: not an id; "},
		{"listen", "public_url:", "listen: nowhere\npublic_url:", "listen: not an address"},
		{"templates", "public_url:", "templates_dir: none\npublic_url:", "templates_dir: no such directory; "},
		{"log level", "public_url:", "log: {level: loud}\npublic_url:", "log.level: unknown; "},
		{"staleness", "public_url:", "lookup: {max_staleness: 0s}\npublic_url:", "lookup.max_staleness: out of range; "},
		{"empty groups", "allow: {groups: [staff]}", "allow: {groups: []}", "skills[0].allow.groups: empty; "},
		{"groups without a value", "allow: {groups: [staff]}", "allow: {groups: }", "skills[0].allow.groups: no value; "},
		{"allow without a value", "allow: {groups: [staff]}", "allow:", "skills[0].allow: no value; "},
		{"an empty claim", "allow: {groups: [staff]}", "allow: {claims: [{name: hd, any_of: [\"\"]}]}",
			"skills[0].allow.claims[0]: incomplete; "},
		{"a key in two cases", "name: Contoso Pizza", "Allow: {}\n    name: Contoso Pizza",
			"skills[0].Allow: not a key (line "},
		{"two documents", "public_url:", "---\n---\npublic_url:", "the file contains more than one YAML document; "},
		{"too long together", "name: Contoso Pizza", "scopes: [" + longScopes() + "]\n    name: Contoso Pizza",
			"skills[0]: provider id, client_id, longest"},
		{"not YAML", "public_url:", "public_url: [\n", "the configuration is not YAML: "},
		{"a key twice", "public_url:", "keys: []\npublic_url:", "the configuration is not YAML: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := config.Load(write(t, replaced(t, tt.old, tt.new)))
			problems, ok := errors.AsType[config.Problems](err)
			if !ok {
				t.Fatalf("err = %v, want %q", err, tt.want)
			}
			if !slices.ContainsFunc(problems, func(f config.Problem) bool { return strings.HasPrefix(f.String(), tt.want) }) {
				t.Errorf("problems:\n%v\nwant %q", err, tt.want)
			}
		})
	}
}

// longScopes returns ten valid scopes that do not fit into a cookie together.
func longScopes() string {
	var scopes []string
	for i := range 10 {
		scopes = append(scopes, strings.Repeat("s", 50)+strconv.Itoa(i))
	}
	return strings.Join(scopes, ", ")
}

func TestAllProblemsAtOnce(t *testing.T) {
	text := strings.NewReplacer("https://link", "http://link", "driver: sqlite", "driver: oracle", "id: corp", "id: Corp",
		"[implicit]", "[magic]", "skills: [pizza]", "skills: [burger]",
		"allow: {groups: [staff]}", "allow: everybody\n    consent: 5").Replace(good)
	_, _, err := config.Load(write(t, text))
	problems, _ := errors.AsType[config.Problems](err)
	var paths []string
	for _, problem := range problems {
		paths = append(paths, problem.Path)
	}
	want := []string{"backends[0].skills[0]", "providers[0].id", "public_url", "skills[0].allow", "skills[0].consent",
		"skills[0].grants[0]", "storage.driver"}
	if !slices.Equal(paths, want) {
		t.Errorf("problems at %q, want %q", paths, want)
	}
}

// Whatever is wrong about a secret, its value is not in the error.
func TestProblemsContainNoSecrets(t *testing.T) {
	const value = "S3cretValueThatNobodyMaySee"
	for name, text := range map[string]string{
		"too short":         replaced(t, "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: "+value+"\n    skills"),
		"an alias":          replaced(t, "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: *"+value+"\n    skills"),
		"a tag":             replaced(t, "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: !"+value+" x\n    skills"),
		"a broken text":     replaced(t, "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: \""+value+"\n    skills"),
		"a broken escape":   replaced(t, "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: \"\\q"+value+"\"\n    skills"),
		"a group":           replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: {x: "+value+"}"),
		"a list of groups":  replaced(t, "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: [{x: "+value+"}]\n    skills"),
		"a key":             replaced(t, "${BRIDGE_TEST_KEY}", value),
		"a key's group":     replaced(t, `["${BRIDGE_TEST_KEY}"]`, "{"+value+": 1}"),
		"an anchor twice":   replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: &a "+value+"\n    <<: *a"),
		"a block":           replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: |"+value),
		"a directive":       "%" + value + "\n" + good,
		"a colon too many":  replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: x: "+value),
		"one character off": replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: @"+value),
	} {
		_, warnings, err := config.Load(write(t, text))
		for _, warning := range warnings {
			if strings.Contains(warning.String(), value) {
				t.Errorf("%s: warning %v", name, warning)
			}
		}
		if err != nil && strings.Contains(err.Error(), value) && name != "a key's group" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name, old, new, path string
	}{
		{"consent off", "name: Contoso Pizza", "consent: false\n    name: Contoso Pizza", "skills[0].consent"},
		{"both grants", "grants: [implicit]",
			"grants: [implicit, authorization_code]\n    client_secret: ${BRIDGE_TEST_SECRET}", "skills[0].grants"},
		{"refresh that ends", good[strings.Index(good, "grants:"):strings.Index(good, "backends:")],
			"grants: [authorization_code]\n    client_secret: ${BRIDGE_TEST_SECRET}\n    vendor_ids: [M2AAAAAAAAAAAA]\n" +
				"    tokens: {refresh_lifetime: 720h}\n", "skills[0].tokens.refresh_lifetime"},
		{"no allow", "    allow: {groups: [staff]}\n", "", "skills[0].allow"},
		{"never expires", "implicit_lifetime: 1h", "implicit_lifetime: 0s", "skills[0].tokens.implicit_lifetime"},
		{"inline client secret", "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: " + secret,
			"providers[0].client_secret"},
		{"inline backend secret", "secret: ${BRIDGE_TEST_SECRET}\n    skills", "secret: " + secret + "\n    skills",
			"backends[0].secret"},
		{"inline backend secrets", "secret: ${BRIDGE_TEST_SECRET}\n    skills",
			"secret: [\"${BRIDGE_TEST_SECRET}\", " + secret + "]\n    skills", "backends[0].secret"},
		{"inline key", "${BRIDGE_TEST_KEY}", keys.Generate(), "keys[0]"},
		{"groups with Google", "https://login.example.com", "https://accounts.google.com", "skills[0].claims"},
		{"common", "https://login.example.com", "https://login.microsoftonline.com/common/v2.0", "providers[0].issuer"},
		{"organizations", "https://login.example.com", "https://login.microsoftonline.com/organizations/v2.0",
			"providers[0].issuer"},
		{"admin listener", "public_url:", "admin_listen: \":8081\"\npublic_url:", "admin_listen"},
		{"no backends", good[strings.Index(good, "backends:"):], "", "backends"},
		{"several providers", "skills: [pizza]", "skills: [pizza, lights]", "backends[0].skills"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := replaced(t, tt.old, tt.new)
			if tt.name == "several providers" {
				text = strings.Replace(text, "skills:\n",
					"  - {id: other, issuer: https://other.example.com, client_id: x}\nskills:\n  - {client_id: lights, name: L, "+
						"provider: other, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}\n", 1)
				text = strings.Replace(text, "name: Contoso Pizza", "provider: corp\n    name: Contoso Pizza", 1)
			}
			_, warnings := load(t, text)
			if !slices.ContainsFunc(warnings, func(w config.Warning) bool { return w.Path == tt.path && w.Text != "" }) {
				t.Errorf("warnings %v, want one of %s", warnings, tt.path)
			}
		})
	}
}
