package upstreamtest_test

import (
	"fmt"
	"net/url"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// Ada signs in, and the provider sends the browser back to the relying party.
func Example() {
	const callback = "https://link.example.com/callback/corp"
	ada := upstreamtest.Person{Subject: "a2b4c6", Login: "ada", Password: "engine", GivenName: "Ada"}
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name:    "Contoso",
		Clients: []upstreamtest.Client{{ID: "alexa-bridge", Secret: "secret", RedirectURI: callback}},
		People:  []upstreamtest.Person{ada},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer provider.Close()

	phone := simulator.NewPhone()
	phone.Destinations = []string{callback}
	request := url.Values{"client_id": {"alexa-bridge"}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"openid"}, "state": {"random-state"}}
	login, err := phone.Open(provider.Issuer() + "authorize?" + request.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	end, err := phone.Submit(login, url.Values{"login": {ada.Login}, "password": {ada.Password}})
	if err != nil {
		fmt.Println(err)
		return
	}
	query := end.URL.Query()
	fmt.Println(end.Arrived, end.URL.Path, query.Get("state"), query.Has("code"), provider.Requests("/login/username"))
	// Output: true /callback/corp random-state true 2
}
