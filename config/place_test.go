package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/config"
)

// problemsOf returns the problems of a configuration, each up to what to do.
func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	_, _, err := config.Load(write(t, text))
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("err = %v, want problems", err)
	}
	var texts []string
	for _, problem := range problems {
		texts = append(texts, strings.TrimSuffix(problem.String(), "; "+problem.Hint))
	}
	return texts
}

// longText is too long for a scope, and for a request together with the rest.
var longText = strings.Repeat("long", 125)

// One mistake is one problem, at its line.
func TestOneProblemForOneMistake(t *testing.T) {
	const notYAML = "the configuration is not YAML: "
	tests := []struct{ name, old, new, want string }{
		{"rules beside allow",
			"    allow: {groups: [staff]}", "    allow:\n    groups: [staff]\n    email_domains: [a.example]",
			"17:5: skills[0].groups: unknown key"},
		{"rules beside allow that has one", "    allow: {groups: [staff]}",
			"    allow:\n      groups: [staff]\n    email_domains: [a.example]", "18:5: skills[0].email_domains: unknown key"},
		{"a provider at the left margin",
			"  - id: corp\n    issuer: https://login.example.com\n    client_id: alexa-bridge\n    client_secret: ",
			"  - id: corp\nissuer: https://login.example.com\nclient_id: alexa-bridge\nclient_secret: ",
			"8:1: issuer: unknown key"},
		{"a key of the top in a group", "public_url:", "log:\n  level: info\n  public_url:",
			"4:3: log.public_url: unknown key"},
		{"a section in another",
			"backends:\n  - id: pizza-backend\n    secret: ${BRIDGE_TEST_BACKEND}\n    skills: [pizza]\n",
			"    backends:\n      - id: pizza-backend\n        skills: [pizza]\n", "18:5: skills[0].backends: unknown key"},
		{"no dash", "skills:\n  - client_id: pizza", "skills:\n    client_id: pizza",
			"11:1: skills: not a list, but a mapping"},
		{"a text for a provider", "providers:\n  - id: corp", "providers:\n  - corp\n  - id: corp",
			"7:5: providers[0]: not a mapping"},
		{"a number for an id", "id: corp", "id: 7", "7:9: providers[0].id: not a string: 7"},
		{"a number for a client id", "- client_id: pizza", "- client_id: 7", "12:16: skills[0].client_id: not a string: 7"},
		{"a misspelled section", "skills:\n  - client_id", "skils:\n  - client_id", "11:1: skils: unknown key"},
		{"a misspelled secret", "    secret: ", "    sercet: ", "20:5: backends[0].sercet: unknown key"},
		{"no providers", "providers:\n  - id: corp\n    issuer: https://login.example.com\n    client_id: alexa-bridge\n" +
			"    client_secret: ${BRIDGE_TEST_SECRET}\n", "", "1:1: providers: missing"},
		{"a secret that is not set", "client_id: alexa-bridge\n    client_secret: ${BRIDGE_TEST_SECRET}",
			"client_id: alexa-bridge\n    auth_method: client_secret_basic\n    client_secret: ${NOT_SET_ANYWHERE}",
			"11:20: providers[0].client_secret: the environment variable NOT_SET_ANYWHERE is unset or empty"},
		{"scopes in one text", "client_id: alexa-bridge\n", "client_id: alexa-bridge\n    scopes: [\"openid email\"]\n",
			"10:14: providers[0].scopes[0]: not a scope: \"openid email\""},
		{"a key in a row twice", "name: Contoso Pizza", "name: Contoso Pizza\n    name: Pizza",
			"14:5: skills[0].name: set a second time, after line 13"},
		{"an element without a value", "[M2AAAAAAAAAAAA]", "\n      -\n      - M2AAAAAAAAAAAA",
			"16:8: skills[0].vendor_ids[0]: no value"},
		{"a value on the next line", "issuer: https://login.example.com", "issuer:\n      http://login.example.com",
			"9:7: providers[0].issuer: not https: \"http://login.example.com\""},
		{"an alias", "client_id: pizza", "client_id: &x 7", "12:16: skills[0].client_id: not a string: 7"},
		{"an alias that is none", "skills: [pizza]", "skills: *pizza", "21:5: " + notYAML + "unknown anchor …"},
		{"indented too far", "keys:", "  keys:", "3:3: " + notYAML + "mapping values are not allowed in this context"},
		{"indented too little", "    name: Contoso Pizza", "   name: Contoso Pizza",
			"13:4: " + notYAML + "did not find expected '-' indicator"},
		{"a tab", "    name: Contoso Pizza", "\tname: Contoso Pizza",
			"13:2: " + notYAML + "found a tab character that violates indentation"},
		{"a quote too few", "name: Contoso Pizza", "name: \"Contoso Pizza",
			"13:5: " + notYAML + "found unexpected end of stream"},
		{"a bracket too few", "grants: [implicit]", "grants: [implicit",
			"14:5: " + notYAML + "did not find expected ',' or ']'"},
		{"a text for the only redirect URIs", "vendor_ids: [M2AAAAAAAAAAAA]", "redirect_uris: https://a.example",
			`15:20: skills[0].redirect_uris: not a list: "https://a.example"`},
		{"a long scope", "name: Contoso Pizza", "scopes: [" + longText + "]\n    name: Contoso Pizza",
			`13:14: skills[0].scopes[0]: not a scope, or listed twice: "` + longText[:80] + `…"`},
		{"not keys", good, "just a text\n", "1:1: the file is not a mapping"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := replaced(t, tt.old, tt.new)
			if got := problemsOf(t, text); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("problems:\n%s\nwant one:\n%s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
}
