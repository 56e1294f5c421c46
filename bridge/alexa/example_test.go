package alexa_test

import (
	"fmt"
	"strings"

	"alexa-oidc-bridge/bridge/alexa"
)

func ExampleRedirectURIs() {
	for _, uri := range alexa.RedirectURIs("M2AAAAAAAAAAAA")[:2] {
		fmt.Println(uri)
	}
	// Output:
	// https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA
	// https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA
}

func ExampleCheckVendorID() {
	fmt.Println(alexa.CheckVendorID("amzn1.ask.skill.1"))
	// Output: not a vendor id: 8 to 32 upper-case letters and digits, usually starting with M
}

func ExampleSkill_Console() {
	skill := alexa.Skill{PublicURL: "https://link.example.com", ClientID: "pizza", Scopes: []string{"orders"},
		Hosts: []string{"login.example.com"}, RedirectURIs: alexa.RedirectURIs("M2AAAAAAAAAAAA")}
	for _, field := range skill.Console("")[:5] {
		fmt.Println(field.Name+":", strings.Join(field.Values, " "))
	}
	// Output:
	// Authorization grant type: Implicit Grant
	// Your Web Authorization URI: https://link.example.com/authorize
	// Your Client ID: pizza
	// Scope: orders
	// Domain List: link.example.com login.example.com
}
