package alexa_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

// A skill serves only what Alexa sent to it. Package lookup then says who is speaking.
func ExampleVerifier_Middleware() {
	verifier := &alexa.Verifier{SkillIDs: []string{"amzn1.ask.skill.00000000"}}
	skill := verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"version":"1.0","response":{"outputSpeech":{"type":"PlainText","text":"Hello"}}}`)
	}))
	stranger := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"request":{"type":"LaunchRequest"}}`))
	response := httptest.NewRecorder()
	skill.ServeHTTP(response, stranger)
	fmt.Println(response.Code, response.Body)
	// Output: 400 The request is not from Alexa.
}
