package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge/upstream"
)

// A relying party sends the browser to AuthorizationURL, keeps the login, and passes it to Identify when the provider
// has sent the browser back with a code.
func Example() {
	idp := startExampleProvider()
	defer idp.Close()
	provider := upstream.New(upstream.Config{
		ID:          "corp",
		Issuer:      idp.URL,
		ClientID:    "alexa-bridge",
		Scopes:      []string{"openid", "email"},
		RedirectURI: "https://link.example.com/callback/corp",
	}, time.Now)

	login := upstream.Login{State: "random-state", Nonce: "random-nonce", Verifier: "random-verifier"}
	target, err := provider.AuthorizationURL(context.Background(), login, upstream.PromptLogin)
	if err != nil {
		fmt.Println(err)
		return
	}
	parsed, _ := url.Parse(target)
	fmt.Println(parsed.Path, parsed.Query().Get("prompt"), parsed.Query().Get("code_challenge_method"))

	// The person cancels, so the provider sends an error instead of a code.
	_, err = provider.Identify(context.Background(), login, upstream.Response{Error: "access_denied"}, upstream.Wish{})
	fmt.Println(err)
	// Output:
	// /authorize login S256
	// provider refused at response: error "access_denied", description ""
}

func ExampleProvider_Discover() {
	idp := startExampleProvider()
	defer idp.Close()
	provider := upstream.New(upstream.Config{Issuer: idp.URL + "/other"}, time.Now)
	err := provider.Discover(context.Background())
	fmt.Println(errors.Unwrap(errors.Unwrap(err)))
	// Output: status 404
}

// startExampleProvider starts a provider that announces its endpoints and has none of them.
func startExampleProvider() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	})
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer": "http://%[1]s", "authorization_endpoint": "http://%[1]s/authorize",
			"token_endpoint": "http://%[1]s/token", "jwks_uri": "http://%[1]s/keys"}`, r.Host)
	})
	return httptest.NewServer(mux)
}
