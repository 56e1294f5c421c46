package upstream_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// authenticated returns the client authentication of a token request. Two methods at once are none of them.
func authenticated(r request) string {
	credentials := url.QueryEscape(clientID) + ":" + url.QueryEscape(clientSecret)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
	switch {
	case r.authorization == basic && !r.form.Has("client_secret"):
		return "basic"
	case r.authorization == "" && r.form.Get("client_id") == clientID && r.form.Get("client_secret") == clientSecret:
		return "post"
	case r.authorization == "" && r.form.Get("client_id") == clientID && !r.form.Has("client_secret"):
		return "none"
	}
	return "neither: " + r.authorization + " " + r.body
}

// public makes the relying party a public client.
func public(f *fakeProvider) {
	configured(func(config *upstream.Config) { config.ClientSecret = "" })(f)
}

func TestTokenEndpointAuthentication(t *testing.T) {
	methods := func(announced ...string) func(*fakeProvider) {
		return metadata("token_endpoint_auth_methods_supported", announced)
	}
	configured := func(method string) func(*fakeProvider) {
		return configured(func(config *upstream.Config) { config.AuthMethod = method })
	}
	tests := []struct {
		name              string
		setup, configured func(*fakeProvider)
		want              string // empty: discovery fails
	}{
		{"nothing announced", unchanged, configured(""), "basic"},
		{"an empty list announced", methods(), configured(""), "basic"},
		{"basic announced", methods("private_key_jwt", "client_secret_basic"), configured(""), "basic"},
		{"both announced", methods("client_secret_post", "client_secret_basic"), configured(""), "basic"},
		{"only post announced", methods("private_key_jwt", "client_secret_post"), configured(""), "post"},
		{"neither announced", methods("private_key_jwt", "none"), configured(""), ""},
		{"a public client", unchanged, public, "none"},
		{"a public client, basic announced", methods("client_secret_basic"), public, "none"},
		{"a public client, configured", methods("client_secret_basic"),
			combine(public, configured(upstream.AuthMethodNone)), "none"},
		{"none configured, beside a secret", unchanged, configured(upstream.AuthMethodNone), "none"},
		{"an unknown one configured", unchanged, configured("private_key_jwt"), ""},
		{"post configured, basic announced", methods("client_secret_basic"), configured(upstream.AuthMethodPost), "post"},
		{"post configured, nothing announced", unchanged, configured(upstream.AuthMethodPost), "post"},
		{"basic configured, post announced", methods("client_secret_post"), configured(upstream.AuthMethodBasic), "basic"},
		{"basic configured, neither announced", methods("private_key_jwt"), configured(upstream.AuthMethodBasic), "basic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup, tt.configured)
			_, err := f.identify(t)
			if tt.want == "" {
				wantKind(t, err, "misconfigured at discovery")
				return
			}
			wantKind(t, err, "")
			requests := f.requests(tokenPath)
			if len(requests) != 1 {
				t.Fatalf("the code was sent %d times, want 1", len(requests))
			}
			if got := authenticated(requests[0]); got != tt.want {
				t.Errorf("authenticated by %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTokenRequest(t *testing.T) {
	f := newFake(t)
	_, err := f.identify(t)
	wantKind(t, err, "")
	want := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {redirectURI},
		"code_verifier": {login().Verifier},
	}
	if got := f.requests(tokenPath)[0].form; got.Encode() != want.Encode() {
		t.Errorf("form %v, want %v", got, want)
	}
}

func TestTokenAnswers(t *testing.T) {
	const bad, outdated, unavailable = "misconfigured at token", "outdated at token", "out of reach at token"
	// They leave the method of authentication to discovery.
	clients := map[string]func(*fakeProvider){
		"basic": unchanged,
		"post":  metadata("token_endpoint_auth_methods_supported", []string{"client_secret_post"}),
		"none":  public,
	}
	oauthError := func(code string) []byte { return encode(map[string]any{"error": code}) }
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"the code is refused", reply(http.StatusBadRequest, oauthError("invalid_grant")), outdated},
		{"the client is refused", reply(http.StatusUnauthorized, oauthError("invalid_client")), bad},
		{"forbidden, not as JSON", reply(http.StatusForbidden, []byte("<html>")), bad},
		{"the code is refused with status 200", reply(http.StatusOK, oauthError("invalid_grant")), outdated},
		{"too many requests", reply(http.StatusTooManyRequests, []byte("slow down")), "rate limited at token"},
		{"a failure", reply(http.StatusInternalServerError, []byte("oops")), unavailable},
		{"a failure with an error code", reply(http.StatusInternalServerError, oauthError("server_error")), unavailable},
		{"out of service", reply(http.StatusServiceUnavailable, nil), unavailable},
		{"a redirect to nowhere", reply(http.StatusFound, nil), bad},
		{"not JSON", reply(http.StatusOK, []byte("<html>")), bad},
		{"no token", reply(http.StatusOK, []byte("{}")), badIDToken},
		{"the connection is cut", cut, unavailable},
	}
	for _, tt := range tests {
		for way, client := range clients {
			t.Run(tt.name+", "+way, func(t *testing.T) {
				f := newFake(t, client, override(tokenPath, tt.answer))
				_, err := f.identify(t)
				wantKind(t, err, tt.want)
				if got := len(f.requests(tokenPath)); got != 1 {
					t.Errorf("the code was sent %d times, want 1", got)
				}
			})
		}
	}
}

// TestTokenConnectionCutLater cuts a connection that is reused, after which net/http repeats idempotent requests.
func TestTokenConnectionCutLater(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	_, err := f.identifyAt(t, p)
	wantKind(t, err, "")
	f.update(func() { f.override[tokenPath] = cut })
	_, err = f.identifyAt(t, p)
	wantKind(t, err, "out of reach at token")
	if got := len(f.requests(tokenPath)); got != 2 {
		t.Errorf("%d token requests for two codes", got)
	}
}
