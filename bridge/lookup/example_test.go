package lookup_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"alexa-oidc-bridge/bridge/lookup"
)

// A skill's backend distinguishes three outcomes.
func ExampleClient_Lookup() {
	bridge := startExampleBridge()
	defer bridge.Close()
	client := &lookup.Client{Endpoint: bridge.URL + "/lookup", ID: "pizza-backend", Secret: "secret"}

	for _, token := range []string{"token-of-ada", "revoked-token", "token-during-an-outage"} {
		response, err := client.Lookup(context.Background(), token)
		switch {
		case err != nil:
			fmt.Println("Pizza is not available right now. Please try again later.")
		case !response.Active:
			fmt.Println("Please link your account in the Alexa app. (LinkAccount card)")
		default:
			fmt.Println("Hello", response.Claims["name"], "alias", response.Subject, "at", response.UpstreamISS)
		}
	}
	// Output:
	// Hello Ada alias a2b4c6 at https://login.example.com
	// Please link your account in the Alexa app. (LinkAccount card)
	// Pizza is not available right now. Please try again later.
}

// An error that is not ErrUnavailable does not go away by itself: the client is configured wrongly.
func ExampleClient_Lookup_misconfigured() {
	bridge := startExampleBridge()
	defer bridge.Close()
	client := &lookup.Client{Endpoint: bridge.URL + "/lookup", ID: "pizza-backend", Secret: "wrong"}
	_, err := client.Lookup(context.Background(), "token-of-ada")
	fmt.Println(err)
	// Output: lookup: status 401: invalid_client: client authentication failed
}

func startExampleBridge() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		switch {
		case secret != "secret":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client", "error_description": "client authentication failed"}`)
		case r.PostFormValue("token") == "token-of-ada":
			fmt.Fprint(w, `{"active": true, "sub": "a2b4c6", "upstream_iss": "https://login.example.com",
				"claims": {"name": "Ada"}}`)
		case r.PostFormValue("token") == "revoked-token":
			fmt.Fprint(w, `{"active": false}`)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}
