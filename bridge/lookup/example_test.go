package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"alexa-oidc-bridge/bridge/lookup"
)

// A skill that is served over HTTP knows who speaks.
func ExampleClient_Middleware() {
	bridge := startExampleBridge()
	defer bridge.Close()

	client := &lookup.Client{Endpoint: bridge.URL + "/lookup", ID: "pizza-backend", Secret: "secret"}
	skill := client.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person := lookup.PersonFromContext(r.Context())
		fmt.Fprintf(w, `{"version":"1.0","response":{"outputSpeech":{"type":"PlainText","text":"Hello %s"}}}`,
			person.Claim("name"))
	}))

	for _, token := range []string{"token-of-ada", "revoked-token"} {
		w := httptest.NewRecorder()
		skill.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(requestOfAlexa(token))))
		fmt.Println(w.Body)
	}
	// Output:
	// {"version":"1.0","response":{"outputSpeech":{"type":"PlainText","text":"Hello Ada"}}}
	// {"response":{"card":{"type":"LinkAccount"},"outputSpeech":{"text":"Please link your account in the Alexa app.","type":"PlainText"},"shouldEndSession":true},"version":"1.0"}
}

// A skill on AWS Lambda gets the body itself.
func ExampleClient_Lookup() {
	bridge := startExampleBridge()
	defer bridge.Close()
	client := &lookup.Client{Endpoint: bridge.URL + "/lookup", ID: "pizza-backend", Secret: "secret"}
	respond := func(ctx context.Context, body string) string {
		request, err := lookup.ParseRequest([]byte(body))
		if err != nil {
			return err.Error()
		}
		person, err := client.Lookup(ctx, request)
		if err != nil {
			return string(client.ErrorResponse(request, err))
		}
		return "Hello " + person.Claim("name") + " alias " + person.Key()
	}

	for _, token := range []string{"token-of-ada", "revoked-token", "token-during-an-outage"} {
		fmt.Println(respond(context.Background(), requestOfAlexa(token)))
	}
	// Output:
	// Hello Ada alias https://login.example.com a2b4c6
	// {"response":{"card":{"type":"LinkAccount"},"outputSpeech":{"text":"Please link your account in the Alexa app.","type":"PlainText"},"shouldEndSession":true},"version":"1.0"}
	// {"response":{"outputSpeech":{"text":"This is not available right now. Please try again later.","type":"PlainText"},"shouldEndSession":true},"version":"1.0"}
}

// A wrong secret does not go away by itself. It says nothing about the link either.
func ExampleClient_Lookup_misconfigured() {
	bridge := startExampleBridge()
	defer bridge.Close()
	client := &lookup.Client{Endpoint: bridge.URL + "/lookup", ID: "pizza-backend", Secret: "wrong"}
	_, err := client.Lookup(context.Background(), &lookup.Request{Token: "token-of-ada"})
	fmt.Println(err, errors.Is(err, lookup.ErrNotLinked), errors.Is(err, lookup.ErrUnavailable))
	// Output: lookup: status 401: "invalid_client": "client authentication failed" false false
}

func requestOfAlexa(token string) string {
	return `{"version":"1.0","request":{"type":"IntentRequest","locale":"en-US"},
		"context":{"System":{"user":{"userId":"amzn1.ask.account.ADA","accessToken":"` + token + `"}}}}`
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
