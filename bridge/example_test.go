package bridge_test

import (
	"encoding/json"
	"fmt"

	"alexa-oidc-bridge/bridge"
)

// All rules that are set must hold. The reason says which one does not.
func ExampleAllow() {
	allow := bridge.Allow{
		EmailDomains: []string{"contoso.com"},
		Groups:       []string{"alexa-users"},
	}
	ada := bridge.Claims{"email": "ada@contoso.com", "email_verified": true, "groups": []any{"staff", "alexa-users"}}
	gus := bridge.Claims{"email": "gus@fabrikam.com", "email_verified": true, "groups": []any{"alexa-users"}}
	eve := bridge.Claims{"email": "eve@contoso.com", "groups": []any{"alexa-users"}}
	for _, claims := range []bridge.Claims{ada, gus, eve} {
		fmt.Printf("%s: %q\n", claims.String("email"), allow.Check(claims))
	}
	// Output:
	// ada@contoso.com: ""
	// gus@fabrikam.com: "email_domain"
	// eve@contoso.com: "email_unverified"
}

func ExampleClaims() {
	var claims bridge.Claims
	text := `{"sub": "a2b4c6", "name": "Ada Lovelace", "groups": ["staff", "alexa-users"], "level": 3}`
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.String("name"))
	fmt.Println(claims.Strings("groups"))
	fmt.Println(claims.Only([]string{"name", "phone_number"}))
	// Output:
	// Ada Lovelace
	// [staff alexa-users]
	// map[name:Ada Lovelace]
}
