package alexa_test

import (
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
)

// A vendor id is found only in a redirect URI that leads to one of Alexa's hosts.
func FuzzVendorID(f *testing.F) {
	for _, uri := range alexa.RedirectURIs("M2AAAAAAAAAAAA") {
		f.Add(uri)
		f.Add(uri + "#x")
		f.Add(strings.Replace(uri, "https://", "https://evil.example/@", 1))
		f.Add(strings.Replace(uri, "https://", "https://evil.example:1@", 1))
	}
	f.Fuzz(func(t *testing.T, uri string) {
		id := alexa.VendorID(uri)
		if id == "" {
			return
		}
		if alexa.CheckVendorID(id) != nil {
			t.Errorf("%q: %q", uri, id)
		}
		named := func(host string) bool { return strings.Contains(uri, host) }
		if !slices.ContainsFunc(alexa.Hosts(), named) || !strings.Contains(uri, id) && !strings.Contains(uri, "%") {
			t.Errorf("%q leads elsewhere", uri)
		}
	})
}

// Settings of any form are compared or refused, and never repeat the client secret.
func FuzzCompare(f *testing.F) {
	for _, settings := range []string{"", "{}", "[]",
		`{"accountLinkingResponse":{"type":"AUTH_CODE","clientSecret":"the-secret-of-the-skill"}}`,
		`{"accountLinkingRequest":{"scopes":["the-secret-of-the-skill"],"domains":null}}`, `{"type":7}`,
		`{"accountLinkingResponse":{"type":"the-secret-of-the-skill"}}`} {
		f.Add([]byte(settings))
	}
	isSecret := func(text string) bool { return text == "the-secret-of-the-skill" }
	f.Fuzz(func(t *testing.T, settings []byte) {
		compared, err := alexa.AccountLinking{Type: "AUTH_CODE", ClientID: "pizza"}.Compare(settings, isSecret)
		if err != nil {
			return
		}
		for _, field := range compared.Fields {
			if isSecret(field.Got) {
				t.Errorf("%s: %+v", settings, field)
			}
		}
	})
}
