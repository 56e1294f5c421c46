package upstream_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// clientSecretForm and clientSecretBasic are the client secret as a form and a Basic header contain it.
const clientSecretForm = "client%2Bsecret%2F0123456789%3Dabcdefghijklm"

var clientSecretBasic = base64.StdEncoding.EncodeToString([]byte(clientID + ":" + clientSecretForm))

// wantNoSecret checks that an error contains no secret of the login and no URL.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	wantPrintable(t, err)
	for _, secret := range []string{
		code, login().State, login().Nonce, login().Verifier, clientSecret, clientSecretForm, clientSecretBasic, accessToken,
		tokenPath + "?", "path-of-the-endpoint", "query=",
	} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q contains %q", err, secret)
		}
	}
}

// TestErrorsContainNoSecret lets every endpoint repeat what it was sent, and the other secrets of the login.
func TestErrorsContainNoSecret(t *testing.T) {
	secrets := []string{code, login().State, login().Nonce, login().Verifier, clientSecret}
	sent := strings.Join(secrets, " ")
	elsewhere := "https://other.example.com/path-of-the-endpoint?code=" + code
	oauthError := encode(map[string]any{"error": "invalid_grant " + sent, "error_description": "you sent " + sent})
	encoded := encode(map[string]any{"error": "invalid_client",
		"error_description": "you sent " + clientSecretForm + " " + clientSecretBasic})
	const noToken, noKeys, noUserinfo = "out of reach at token", "out of reach at keys", "out of reach at userinfo"
	tests := []signIn{
		{"discovery", override(discoveryPath, reply(http.StatusInternalServerError, []byte("no "+clientSecret))),
			"out of reach at discovery"},
		{"discovery redirects", override(discoveryPath, redirect(elsewhere)), "misconfigured at discovery"},
		{"discovery cuts", override(discoveryPath, cut), "out of reach at discovery"},
		{"the code is refused", override(tokenPath, reply(http.StatusBadRequest, oauthError)), "misconfigured at token"},
		{"the client is refused", override(tokenPath, reply(http.StatusUnauthorized, encoded)), "misconfigured at token"},
		{"the token endpoint fails", override(tokenPath, reply(http.StatusInternalServerError, oauthError)), noToken},
		{"the token endpoint fails, not as JSON",
			override(tokenPath, reply(http.StatusBadGateway, []byte(sent+" "+accessToken))), noToken},
		{"the token endpoint answers not as JSON",
			override(tokenPath, reply(http.StatusOK, []byte(sent))), "misconfigured at token"},
		{"the token endpoint speaks no HTTP", override(tokenPath, noHTTP(sent)), noToken},
		{"the token endpoint redirects", override(tokenPath, redirect(elsewhere)), "misconfigured at token"},
		{"the token endpoint redirects to no URL", override(tokenPath, redirect(":"+sent)), noToken},
		{"the token endpoint cuts", override(tokenPath, cut), noToken},
		{"nobody listens at the token endpoint", unreachable("token_endpoint"), noToken},
		{"keys", override(keysPath, reply(http.StatusInternalServerError, []byte("no "+sent))), noKeys},
		{"keys cut", override(keysPath, cut), noKeys},
		{"nobody listens for keys", unreachable("jwks_uri"), noKeys},
		{"userinfo",
			override(userinfoPath, reply(http.StatusUnauthorized, []byte(accessToken+" "+sent))), "misconfigured at userinfo"},
		{"userinfo answers not as JSON",
			override(userinfoPath, reply(http.StatusOK, []byte(accessToken))), "misconfigured at userinfo"},
		{"userinfo redirects", override(userinfoPath, redirect(elsewhere+accessToken)), "misconfigured at userinfo"},
		{"userinfo cuts", override(userinfoPath, cut), noUserinfo},
		{"nobody listens for userinfo", unreachable("userinfo_endpoint"), noUserinfo},
		{"state as an error", receives(upstream.Response{Error: login().State}), "misconfigured at response"},
	}
	for kind, want := range map[string]string{"access_denied": "refused at response",
		"server_error": "out of reach at response", "disallowed_useragent": "embedded browser at response"} {
		response := upstream.Response{Code: code, Error: kind, ErrorDescription: "bad " + sent}
		tests = append(tests, signIn{kind, receives(response), want})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFake(t, tt.setup).identify(t, needsUserinfo)
			wantKind(t, err, tt.want)
			wantNoSecret(t, err)
		})
	}
}

// redirect responds with a redirect, possibly to an invalid URL.
func redirect(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}
}

// noHTTP responds with something that is not HTTP.
func noHTTP(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer connection.Close()
		connection.Write([]byte(text + "\r\n\r\n"))
	}
}

// TestErrorsContainNoIDToken lets ID tokens, the userinfo endpoint and claims repeat what must not be logged.
func TestErrorsContainNoIDToken(t *testing.T) {
	tests := map[string]func(*fakeProvider){
		"of another provider":      with("iss", "another"),
		"of another login":         with("nonce", "of-another-login"),
		"with another's at_hash":   with("at_hash", "of-another-login"),
		"expired":                  with("exp", now().Unix()-1000),
		"of another key":           func(f *fakeProvider) { f.key.private = newKey("").private },
		"without a signature":      withIDToken(unsecured),
		"with a claim of no sense": with("exp", []string{"tomorrow"}),
		"that is no JWT":           withIDToken(func(map[string]any) string { return "secret-but-no-jwt" }),
	}
	for _, said := range []string{code, login().State, login().Verifier, accessToken} {
		tests["with iss "+said], tests["with aud "+said] = with("iss", said), with("aud", said)
	}
	for name, setup := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, setup)
			made := f.signed()
			f.idToken = func(map[string]any) string { return made }
			_, err := f.identify(t)
			if err == nil {
				t.Fatal("no error")
			}
			wantNoSecret(t, err)
			wantNoPart(t, err, made+".of-another-login")
		})
	}
}

// wantNoPart checks that an error contains no part of an ID token.
func wantNoPart(t *testing.T, err error, idToken string) {
	t.Helper()
	for part := range strings.SplitSeq(idToken, ".") {
		if part != "" && strings.Contains(err.Error(), part) {
			t.Errorf("%q contains a part of the ID token", err)
		}
	}
}

func TestUserinfoErrorContainsNoIDToken(t *testing.T) {
	f := newFake(t)
	made := f.signed()
	f.idToken = func(map[string]any) string { return made }
	f.override[userinfoPath] = reply(http.StatusInternalServerError, []byte("about "+made))
	_, err := f.identify(t, needsUserinfo)
	wantKind(t, err, "out of reach at userinfo")
	wantNoPart(t, err, made)
}

// A client secret is removed before %q changes it.
func TestSecretThatQuotingChanges(t *testing.T) {
	const odd = `pa"ss\word-é`
	answer := encode(map[string]any{"error": "invalid_client", "error_description": "wrong: " + odd})
	_, err := newFake(t, override(tokenPath, reply(http.StatusUnauthorized, answer)),
		configured(func(config *upstream.Config) { config.ClientSecret = odd })).identify(t)
	wantKind(t, err, "misconfigured at token")
	if !strings.Contains(err.Error(), "[removed]") {
		t.Errorf("%s contains the client secret", err)
	}
}
