package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// A phone links a skill: it opens the authorization URI, submits the consent page, and stops at Alexa's redirect URI.
func Example() {
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `<form method="post"><input name="uri" value="%s"></form>`, r.FormValue("redirect_uri"))
			return
		}
		w.Header().Set("Location", r.PostFormValue("uri")+"#access_token=example&decision="+r.PostFormValue("decision"))
		w.WriteHeader(http.StatusSeeOther)
	}))
	defer bridge.Close()

	request := simulator.Request{
		AuthorizationURI: bridge.URL + "/authorize",
		ClientID:         "pizza",
		ResponseType:     "token",
		State:            simulator.NewState(),
		RedirectURI:      alexa.RedirectURIs("M2AAAAAAAAAAAA")[1],
	}
	phone := simulator.NewPhone()
	consent, err := phone.Open(request.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	end, err := phone.Submit(consent, url.Values{"decision": {"link"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	parameters, _ := request.Answer(end.URL)
	fmt.Println(end.Arrived, end.URL.Host, parameters)
	// Output: true pitangui.amazon.com map[access_token:[example] decision:[link]]
}
