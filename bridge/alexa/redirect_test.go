package alexa_test

import (
	"slices"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
)

func TestRedirectURIs(t *testing.T) {
	want := []string{
		"https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA",
		"https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA",
		"https://layla.amazon.com/api/skill/link/M2AAAAAAAAAAAA",
		"https://layla.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA",
		"https://alexa.amazon.co.jp/api/skill/link/M2AAAAAAAAAAAA",
		"https://alexa.amazon.co.jp/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA",
	}
	if got := alexa.RedirectURIs("M2AAAAAAAAAAAA"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCheckVendorID(t *testing.T) {
	for id, ok := range map[string]bool{
		"M2AAAAAAAAAAAA": true, "M22Q86CT67KF9B": true, "ABCDEFGHIJ": true,
		"": false, "M2": false, "m2aaaaaaaaaaaa": false, "M2AAAAAAAAAAAA ": false, "M2AAAA/AAAAAAA": false,
		"M2AAAAAAAAAAAA\n": false, "M2AAAAAAAAAAAA?x": false,
	} {
		if err := alexa.CheckVendorID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}
