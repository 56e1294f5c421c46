package alexa_test

import (
	"fmt"

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
