package simulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// A phone links a skill: it opens the authorization URI, submits the consent page, and stops at Alexa's redirect URI.
func Example() {
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `<form method="post"><input name="uri" value="%s"><input name="state" value="%s"></form>`,
				r.FormValue("redirect_uri"), r.FormValue("state"))
			return
		}
		w.Header().Set("Location", r.PostFormValue("uri")+"#access_token=example&state="+r.PostFormValue("state"))
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
	response, err := simulator.NewPhone().Link(request, url.Values{"decision": {"link"}})
	fmt.Println(response.Get("access_token"), err)
	// Output: example <nil>
}

// An authorization server that takes each refresh token only once loses the link as soon as a response is lost.
func ExampleLinking_CheckRefresh() {
	tokens, current := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("refresh_token") != current {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
			return
		}
		tokens++
		current = fmt.Sprint("refresh", tokens)
		fmt.Fprintf(w, `{"access_token":"x","token_type":"Bearer","expires_in":3600,"refresh_token":%q}`, current)
	}))
	defer server.Close()

	linking := simulator.Linking{TokenURI: server.URL, ClientID: "pizza", ClientSecret: "example"}
	first, err := linking.Exchange(context.Background(), simulator.Request{}, "code")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = linking.CheckRefresh(context.Background(), first, func(step string) { fmt.Println("good:", step) })
	fmt.Println(err)
	// Output:
	// good: a refresh
	// the same refresh token again, as after a lost response: the token endpoint answers invalid_grant (status 400)
}

// A skill verifies an event that a test signs.
func ExampleSkill_SendEvent() {
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier := &alexa.Verifier{
		SkillIDs: []string{"amzn1.ask.skill.1"}, Roots: signer.Roots(), Transport: signer.Transport(),
	}
	events := httptest.NewServer(verifier.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		event, err := alexa.ParseEvent(body)
		fmt.Println(event.Type, event.UserID, err)
	})))
	defer events.Close()

	event, err := simulator.SkillDisabled("amzn1.ask.skill.1", "amzn1.ask.account.A", time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(simulator.Skill{Endpoint: events.URL, Signer: signer}.SendEvent(context.Background(), event))
	// Output:
	// AlexaSkillEvent.SkillDisabled amzn1.ask.account.A <nil>
	// <nil>
}
