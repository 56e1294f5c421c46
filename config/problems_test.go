package config_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"alexa-oidc-bridge/config"
)

func TestProblems(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           string // the beginning of the problem
	}{
		{"no public URL", "public_url: https://link.example.com", "", "1:1: public_url: missing; "},
		{"plain http", "https://link.example.com", "http://link.example.com",
			`2:13: public_url: not https: "http://link.example.com"; `},
		{"a path", "https://link.example.com", "https://link.example.com/alexa",
			`2:13: public_url: not an origin: "https://link.example.com/alexa"; `},
		{"a slash", "https://link.example.com", "https://link.example.com/",
			`2:13: public_url: not an origin: "https://link.example.com/"; `},
		{"upper case", "https://link.example.com", "https://Link.example.com",
			`2:13: public_url: not an origin: "https://Link.example.com"; `},
		{"default port", "https://link.example.com", "https://link.example.com:443",
			`2:13: public_url: names the default port of https: "https://link.example.com:443"; `},
		{"no URL", "https://link.example.com", "link.example.com",
			`2:13: public_url: not a URL: "link.example.com"; `},
		{"no keys", `keys: ["${BRIDGE_TEST_KEY}"]`, "", "1:1: keys: missing; "},
		{"a short key", "${BRIDGE_TEST_KEY}", "c2hvcnQ=", "3:8: keys[0]: 5 bytes long, not 32; "},
		{"a key that is none", "${BRIDGE_TEST_KEY}", "not a key!", "3:8: keys[0]: not base64; "},
		{"unknown driver", "driver: sqlite", "driver: oracle", `4:19: storage.driver: unknown: "oracle"; `},
		{"no file", "dsn: data/bridge.db", `dsn: ""`, "4:32: storage.dsn: not the path of a file; "},
		{"in memory", "dsn: data/bridge.db", `dsn: ":memory:"`, "4:32: storage.dsn: not the path of a file; "},
		{"a URL for a file", "dsn: data/bridge.db", `dsn: "postgres://db/bridge"`,
			"4:32: storage.dsn: not the path of a file; "},
		{"a file for a URL", "driver: sqlite", "driver: postgres", "4:34: storage.dsn: not the URL of a database; "},
		{"a password in a URL", "driver: sqlite, dsn: data/bridge.db",
			`driver: postgres, dsn: "postgres://u:pa/ss@db/bridge"`, "4:34: storage.dsn: not the URL of a database; "},
		{"no size", "public_url:", "lookup: {memory: lots}\npublic_url:",
			`2:18: lookup.memory: not a size, or out of range: "lots"; `},
		{"too small", "public_url:", "lookup: {memory: 1023KiB}\npublic_url:",
			`2:18: lookup.memory: not a size, or out of range: "1023KiB"; `},
		{"a size without a unit", "public_url:", "lookup: {memory: 64}\npublic_url:",
			"2:18: lookup.memory: not a string: 64; "},
		{"typo", "public_url:", "public_ulr:", `2:1: public_ulr: unknown key; did you mean "public_url"?`},
		{"typo below", "grants: [implicit]", "grnats: [implicit]",
			`14:5: skills[0].grnats: unknown key; did you mean "grants"?`},
		{"typo far below", "implicit_lifetime: 1h", "implicit_lifetme: 1h",
			`17:14: skills[0].tokens.implicit_lifetme: unknown key; did you mean "implicit_lifetime"?`},
		{"unknown key", "public_url:", "frobnicate: 1\npublic_url:", "2:1: frobnicate: unknown key; remove it"},
		{"a key that is set further out too", "{implicit_lifetime: 1h}", "{implicit_lifetime: 1h, name: x}",
			"17:37: skills[0].tokens.name: unknown key; remove it"},
		{"a secret of two words", "secret: ${BRIDGE_TEST_BACKEND}\n    skills",
			"secret: ${BRIDGE_TEST_SECRET} x\n    skills", "20:13: backends[0].secret: contains a space; "},
		{"variable missing", "${BRIDGE_TEST_SECRET}", "${NOT_SET_ANYWHERE}",
			"10:20: providers[0].client_secret: the environment variable NOT_SET_ANYWHERE is unset or empty; "},
		{"file missing", "${BRIDGE_TEST_SECRET}", "${file:none.txt}", "10:20: providers[0].client_secret: the file "},
		{"a folder", "${BRIDGE_TEST_SECRET}", "${file:/}",
			"10:20: providers[0].client_secret: the file / cannot be read: not a regular file; "},
		{"an endless file", "${BRIDGE_TEST_SECRET}", "${file:/dev/zero}",
			"10:20: providers[0].client_secret: the file /dev/zero cannot be read: not a regular file; "},
		{"no end", "${BRIDGE_TEST_SECRET}", "${BRIDGE_TEST_SECRET",
			"10:20: providers[0].client_secret: a ${ is not closed by }; "},
		{"no name", "${BRIDGE_TEST_SECRET}", "${}",
			"10:20: providers[0].client_secret: ${…} does not contain the name of a variable; "},
		{"a number for a text", "client_id: pizza", "client_id: 12345",
			"12:16: skills[0].client_id: not a string: 12345; "},
		{"a text for a list", "grants: [implicit]", "grants: implicit",
			`14:13: skills[0].grants: not a list: "implicit"; `},
		{"a list for a group", "allow: {groups: [staff]}", "allow: [staff]",
			"16:5: skills[0].allow: not a mapping, but a list; "},
		{"a text for a truth", "name: Contoso Pizza", "consent: yes please\n    name: Contoso Pizza",
			`13:14: skills[0].consent: not true or false: "yes please"; `},
		{"a bare number", "implicit_lifetime: 1h", "implicit_lifetime: 3600",
			"17:33: skills[0].tokens.implicit_lifetime: not a duration: 3600; "},
		{"no duration", "implicit_lifetime: 1h", "implicit_lifetime: soon",
			`17:33: skills[0].tokens.implicit_lifetime: not a duration: "soon"; `},
		{"too short a life", "implicit_lifetime: 1h", "implicit_lifetime: 5m",
			`17:33: skills[0].tokens.implicit_lifetime: out of range: "5m"; `},
		{"less than nothing", "implicit_lifetime: 1h", "implicit_lifetime: -1h",
			`17:33: skills[0].tokens.implicit_lifetime: out of range: "-1h"; `},
		{"half seconds", "implicit_lifetime: 1h", "implicit_lifetime: 1h0m0.5s",
			`17:33: skills[0].tokens.implicit_lifetime: out of range: "1h0m0.5s"; `},
		{"provider id", "id: corp", "id: My Corp", `7:9: providers[0].id: not an id: "My Corp"; `},
		{"issuer", "issuer: https://login.example.com", "issuer: login.example.com",
			`8:13: providers[0].issuer: not an issuer: "login.example.com"; `},
		{"issuer of test links", "issuer: https://login.example.com", "issuer: urn:alexa-oidc-bridge:test",
			`8:13: providers[0].issuer: the issuer of test links, which no provider may have: "urn:alexa-oidc-bridge:test"; `},
		{"issuer over http", "issuer: https://login.example.com", "issuer: http://login.example.com",
			`8:13: providers[0].issuer: not https: "http://login.example.com"; `},
		{"scopes", "client_id: alexa-bridge", "client_id: alexa-bridge\n    scopes: [profile]",
			"10:5: providers[0].scopes: openid is missing; "},
		{"our parameter", "client_id: alexa-bridge", "client_id: alexa-bridge\n    auth_params: [\"state=x\"]",
			`10:19: providers[0].auth_params[0]: a parameter that the bridge sets itself: "state=x"; remove it`},
		{"auth method", "client_id: alexa-bridge", "client_id: alexa-bridge\n    auth_method: magic",
			`10:18: providers[0].auth_method: unknown: "magic"; `},
		{"none with a secret", "client_id: alexa-bridge", "client_id: alexa-bridge\n    auth_method: none",
			`10:18: providers[0].auth_method: for a public client, though client_secret is set: "none"; `},
		{"CA file", "client_id: alexa-bridge", "client_id: alexa-bridge\n    ca_file: none.pem",
			`10:14: providers[0].ca_file: cannot be read: no such file or directory: "none.pem"; `},
		{"timeout", "client_id: alexa-bridge", "client_id: alexa-bridge\n    timeout: 1h",
			`10:14: providers[0].timeout: out of range: "1h"; `},
		{"no grants", "    grants: [implicit]\n", "", "12:5: skills[0].grants: missing; "},
		{"code without a secret", "grants: [implicit]", "grants: [authorization_code]",
			"12:5: skills[0].client_secret: missing; "},
		{"short secret", "grants: [implicit]", "grants: [implicit]\n    client_secret: short",
			"15:20: skills[0].client_secret: 5 characters long; "},
		{"access too short", "implicit_lifetime: 1h", "access_lifetime: 5m",
			`17:31: skills[0].tokens.access_lifetime: out of range: "5m"; `},
		{"code too long", "implicit_lifetime: 1h", "code_lifetime: 11m",
			`17:29: skills[0].tokens.code_lifetime: out of range: "11m"; `},
		{"code for no time", "implicit_lifetime: 1h", "code_lifetime: 0s",
			`17:29: skills[0].tokens.code_lifetime: out of range: "0s"; `},
		{"refresh too short", "implicit_lifetime: 1h", "refresh_lifetime: 1h",
			`17:32: skills[0].tokens.refresh_lifetime: out of range: "1h"; `},
		{"unknown way to refresh", "implicit_lifetime: 1h", "refresh: sometimes",
			`17:23: skills[0].tokens.refresh: unknown: "sometimes"; `},
		{"unknown grant", "grants: [implicit]", "grants: [password]",
			`14:14: skills[0].grants[0]: not supported: "password"; `},
		{"no skill id", "name: Contoso Pizza", "name: Contoso Pizza\n    skill_ids: [M2AAAAAAAAAAAA]",
			`14:17: skills[0].skill_ids[0]: not a skill id: "M2AAAAAAAAAAAA"; `},
		{"a skill id with something behind it", "name: Contoso Pizza",
			"name: Contoso Pizza\n    skill_ids: [amzn1.ask.skill.1/x]", `14:17: skills[0].skill_ids[0]: not a skill id: `},
		{"a skill id twice", "name: Contoso Pizza",
			"name: Contoso Pizza\n    skill_ids: [amzn1.ask.skill.1, amzn1.ask.skill.1]",
			`14:36: skills[0].skill_ids[1]: listed twice: "amzn1.ask.skill.1"; `},
		{"a skill id of two skills", "  - client_id: pizza\n", "  - {client_id: radio, name: R, grants: [implicit], " +
			"vendor_ids: [M2AAAAAAAAAAAA], skill_ids: [amzn1.ask.skill.1]}\n" +
			"  - client_id: pizza\n    skill_ids: [amzn1.ask.skill.1]\n",
			`14:17: skills[1].skill_ids[0]: the id of another skill, too: "amzn1.ask.skill.1"; `},
		{"no name", "    name: Contoso Pizza\n", "", "12:5: skills[0].name: missing; "},
		{"unknown provider", "name: Contoso Pizza", "provider: nobody\n    name: Contoso Pizza",
			`13:15: skills[0].provider: no provider has this id: "nobody"; `},
		{"vendor id", "vendor_ids: [M2AAAAAAAAAAAA]", "vendor_ids: [m2]",
			`15:18: skills[0].vendor_ids[0]: not a vendor id: 8 to 32 upper-case letters and digits, `},
		{"no redirect", "    vendor_ids: [M2AAAAAAAAAAAA]\n", "", "12:5: skills[0].vendor_ids: missing; "},
		{"redirect with fragment", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [\"https://x.example/#\"]",
			`15:21: skills[0].redirect_uris[0]: has a fragment: "https://x.example/#"; `},
		{"redirect over http", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [\"http://x.example/\"]",
			`15:21: skills[0].redirect_uris[0]: not https: "http://x.example/"; `},
		{"redirect without host", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: [\"javascript:alert(1)\"]",
			`15:21: skills[0].redirect_uris[0]: not an absolute URI: "javascript:alert(1)"; `},
		{"redirect twice", "vendor_ids: [M2AAAAAAAAAAAA]", "vendor_ids: [M2AAAAAAAAAAAA, M2AAAAAAAAAAAA]",
			`15:34: skills[0].vendor_ids[1]: listed twice: "M2AAAAAAAAAAAA"; `},
		{"domain", "allow: {groups: [staff]}", "allow: {email_domains: [\"@contoso.com\"]}",
			`16:29: skills[0].allow.email_domains[0]: not a domain: "@contoso.com"; `},
		{"domain in upper case", "allow: {groups: [staff]}", "allow: {email_domains: [Contoso.com]}",
			`16:29: skills[0].allow.email_domains[0]: not a domain: "Contoso.com"; `},
		{"half a rule", "allow: {groups: [staff]}", "allow: {claims: [{name: hd}]}",
			"16:22: skills[0].allow.claims[0]: incomplete; "},
		{"a short retention", "public_url:", "ended_retention: 59m\npublic_url:",
			"2:18: ended_retention: out of range: \"59m\"; "},
		{"a short audit", "public_url:", "audit_retention: 59m\npublic_url:",
			"2:18: audit_retention: out of range: \"59m\"; "},
		{"a negative retention", "public_url:", "ended_retention: -1h\npublic_url:",
			"2:18: ended_retention: out of range: \"-1h\"; "},
		{"negative limit", "name: Contoso Pizza", "max_links_per_person: -1\n    name: Contoso Pizza",
			"13:27: skills[0].max_links_per_person: less than 0: -1; "},
		{"scope", "name: Contoso Pizza", "scopes: [\"two words\"]\n    name: Contoso Pizza",
			`13:14: skills[0].scopes[0]: not a scope, or listed twice: "two words"; `},
		{"backend's skill", "skills: [pizza]", "skills: [burger]",
			`21:14: backends[0].skills[0]: no skill has this client id: "burger"; `},
		{"backend's id", "id: pizza-backend", "id: \"a:b\"", `19:9: backends[0].id: not an id: "a:b"; `},
		{"listen", "public_url:", "listen: nowhere\npublic_url:",
			`2:9: listen: not an address to listen on: "nowhere"; `},
		{"templates", "public_url:", "templates_dir: none\npublic_url:",
			`2:16: templates_dir: no such directory: "none"; `},
		{"log level", "public_url:", "log: {level: loud}\npublic_url:", `2:14: log.level: unknown: "loud"; `},
		{"staleness", "public_url:", "lookup: {max_staleness: 0s}\npublic_url:",
			`2:25: lookup.max_staleness: out of range: "0s"; `},
		{"empty groups", "allow: {groups: [staff]}", "allow: {groups: []}", "16:13: skills[0].allow.groups: empty; "},
		{"groups without a value", "allow: {groups: [staff]}", "allow: {groups: }",
			"16:13: skills[0].allow.groups: no value; "},
		{"allow without a value", "allow: {groups: [staff]}", "allow:", "16:5: skills[0].allow: no value; "},
		{"an empty claim", "allow: {groups: [staff]}", "allow: {claims: [{name: hd, any_of: [\"\"]}]}",
			"16:22: skills[0].allow.claims[0]: incomplete; "},
		{"a key in two cases", "name: Contoso Pizza", "Allow: {}\n    name: Contoso Pizza",
			`13:5: skills[0].Allow: unknown key; did you mean "allow"?`},
		{"two documents", "public_url:", "---\n---\npublic_url:",
			"4:1: the file contains more than one YAML document; "},
		{"too long together", "name: Contoso Pizza", "scopes: [" + longScopes() + "]\n    name: Contoso Pizza",
			"12:5: skills[0]: provider id, client_id, longest redirect URI"},
		{"not YAML", "public_url:", "public_url: [\n",
			"3:2: the configuration is not YAML: did not find expected ',' or ']'; "},
		{"a key twice", "public_url:", "keys: []\npublic_url:", "4:1: keys: set a second time, after line 2; "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := config.Load(write(t, replaced(t, tt.old, tt.new)))
			problems, ok := errors.AsType[config.Problems](err)
			if !ok || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tt.want) {
				t.Errorf("problems:\n%v\nwant one:\n%s", err, tt.want)
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
	want := []string{"public_url", "storage.driver", "providers[0].id", "skills[0].grants[0]", "skills[0].allow",
		"skills[0].consent", "backends[0].skills[0]"}
	if !slices.Equal(paths, want) {
		t.Errorf("problems at %q, want %q", paths, want)
	}
}

// Whatever is wrong about a secret, its value is not in the error.
func TestProblemsContainNoSecrets(t *testing.T) {
	const value = "S3cretValueThatNobodyMaySee"
	for name, text := range map[string]string{
		"too short":     replaced(t, "secret: ${BRIDGE_TEST_BACKEND}\n    skills", "secret: "+value+"\n    skills"),
		"an alias":      replaced(t, "secret: ${BRIDGE_TEST_BACKEND}\n    skills", "secret: *"+value+"\n    skills"),
		"a tag":         replaced(t, "${BRIDGE_TEST_BACKEND}\n    skills", "!"+value+" x\n    skills"),
		"a broken text": replaced(t, "secret: ${BRIDGE_TEST_BACKEND}\n    skills", "secret: \""+value+"\n    skills"),
		"a broken escape": replaced(t, "secret: ${BRIDGE_TEST_BACKEND}\n    skills",
			"secret: \"\\q"+value+"\"\n    skills"),
		"a group": replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: {x: "+value+"}"),
		"a list of groups": replaced(t, "secret: ${BRIDGE_TEST_BACKEND}\n    skills",
			"secret: [{x: "+value+"}]\n    skills"),
		"a key":               replaced(t, "${BRIDGE_TEST_KEY}", value),
		"a key's group":       replaced(t, `["${BRIDGE_TEST_KEY}"]`, "{"+value+": 1}"),
		"an anchor twice":     replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: &a "+value+"\n    <<: *a"),
		"a block":             replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: |"+value),
		"a misspelled key":    replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_sceret: "+value),
		"a section":           replaced(t, "storage: {driver: sqlite, dsn: data/bridge.db}", "storage: "+value),
		"a list of sections":  replaced(t, "providers:\n", "providers:\n  - "+value+"\n"),
		"a dsn":               replaced(t, "driver: sqlite, dsn: data/bridge.db", "driver: postgres, dsn: "+value),
		"a password in a URL": replaced(t, "https://login.example.com", "https://me:"+value+"@login.example.com/?x"),
		"a directive":         "%" + value + "\n" + good,
		"a colon too many":    replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: x: "+value),
		"one character off":   replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: @"+value),
	} {
		_, warnings, err := config.Load(write(t, text))
		for _, warning := range warnings {
			if strings.Contains(warning.String(), value) {
				t.Errorf("%s: warning %v", name, warning)
			}
		}
		if err != nil && strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
