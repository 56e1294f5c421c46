package upstream_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// wantNoSecret checks that an error contains no secret of the login and no URL.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	wantPrintable(t, err)
	for _, secret := range []string{
		code, login().State, login().Nonce, login().Verifier, clientSecret, accessToken,
		"://", discoveryPath, tokenPath + "?", "path-of-the-endpoint", "query=",
	} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q contains %q", err, secret)
		}
	}
}

// TestErrorsContainNoSecret lets every endpoint repeat what it was sent, and the other secrets of the login.
func TestErrorsContainNoSecret(t *testing.T) {
	sent := strings.Join([]string{code, login().State, login().Nonce, login().Verifier, clientSecret}, " ")
	elsewhere := "https://other.example.com/path-of-the-endpoint?code=" + code
	oauthError := encode(map[string]any{"error": "invalid_grant " + sent, "error_description": "you sent " + sent})
	tests := []struct {
		name, path string
		answer     http.HandlerFunc
		want       string
	}{
		{"discovery", discoveryPath, reply(http.StatusInternalServerError, []byte("no "+clientSecret)),
			"unavailable at discovery"},
		{"discovery redirects", discoveryPath, redirect(elsewhere), "unavailable at discovery"},
		{"discovery cuts", discoveryPath, cut, "unavailable at discovery"},
		{"the code is refused", tokenPath, reply(http.StatusBadRequest, oauthError), "refused at token"},
		{"the token endpoint fails", tokenPath, reply(http.StatusInternalServerError, oauthError), "unavailable at token"},
		{"the token endpoint fails, not as JSON", tokenPath, reply(http.StatusBadGateway, []byte(sent+" "+accessToken)),
			"unavailable at token"},
		{"the token endpoint answers not as JSON", tokenPath, reply(http.StatusOK, []byte(sent)), "unavailable at token"},
		{"the token endpoint speaks no HTTP", tokenPath, noHTTP(sent), "unavailable at token"},
		{"the token endpoint redirects", tokenPath, redirect(elsewhere), "unavailable at token"},
		{"the token endpoint redirects to no URL", tokenPath, redirect(":" + sent), "unavailable at token"},
		{"the token endpoint cuts", tokenPath, cut, "unavailable at token"},
		{"keys", keysPath, reply(http.StatusInternalServerError, []byte("no "+clientSecret)), "unavailable at keys"},
		{"keys cut", keysPath, cut, "unavailable at keys"},
		{"userinfo", userinfoPath, reply(http.StatusUnauthorized, []byte(accessToken+" "+clientSecret)),
			"unavailable at userinfo"},
		{"userinfo answers not as JSON", userinfoPath, reply(http.StatusOK, []byte(accessToken)), "unavailable at userinfo"},
		{"userinfo redirects", userinfoPath, redirect(elsewhere + accessToken), "unavailable at userinfo"},
		{"userinfo cuts", userinfoPath, cut, "unavailable at userinfo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFake(t, override(tt.path, tt.answer)).identify(t, []string{needsUserinfo})
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

func TestErrorsContainNoURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"token_endpoint": "unavailable at token", "jwks_uri": "unavailable at keys",
		"userinfo_endpoint": "unavailable at userinfo",
	} {
		t.Run(endpoint, func(t *testing.T) {
			_, err := newFake(t, unreachable(endpoint)).identify(t, []string{needsUserinfo})
			wantKind(t, err, want)
			wantNoSecret(t, err)
		})
	}
}

func TestErrorsContainNoIDToken(t *testing.T) {
	for name, setup := range map[string]func(*fakeProvider){
		"of another provider":      with("iss", "another"),
		"of another login":         with("nonce", "of-another-login"),
		"with another's at_hash":   with("at_hash", "of-another-login"),
		"expired":                  with("exp", now().Unix()-1000),
		"of another key":           func(f *fakeProvider) { f.key.private = newKey(t, "").private },
		"without a signature":      func(f *fakeProvider) { f.idToken = unsecured },
		"with a claim of no sense": with("exp", []string{"tomorrow"}),
		"that is no JWT": func(f *fakeProvider) {
			f.idToken = func(map[string]any) string { return "secret-but-no-jwt" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, setup)
			made := f.signed()
			f.update(func() { f.idToken = func(map[string]any) string { return made } })
			_, err := f.identify(t, nil)
			wantKind(t, err, refusedIDToken)
			wantPrintable(t, err)
			for part := range strings.SplitSeq(made+".of-another-login", ".") {
				if part != "" && strings.Contains(err.Error(), part) {
					t.Errorf("%q contains a part of the ID token", err)
				}
			}
		})
	}
}

func TestResponseErrorContainsNoSecret(t *testing.T) {
	for _, kind := range []string{"access_denied", "server_error", "disallowed_useragent"} {
		said := "bad " + login().State + " " + login().Nonce + " " + login().Verifier + " " + clientSecret + " " + code
		_, err := newFake(t).provider().Identify(t.Context(), login(),
			upstream.Response{Code: code, Error: kind, ErrorDescription: said}, nil)
		wantNoSecret(t, err)
		_, err = newFake(t).provider().Identify(t.Context(), login(), upstream.Response{Error: login().State}, nil)
		wantNoSecret(t, err)
	}
}

// A client secret is removed before %q changes it.
func TestSecretThatQuotingChanges(t *testing.T) {
	const odd = `pa"ss\word-é`
	answer := encode(map[string]any{"error": "invalid_client", "error_description": "wrong: " + odd})
	_, err := newFake(t, override(tokenPath, reply(http.StatusUnauthorized, answer))).identify(t, nil,
		func(config *upstream.Config) { config.ClientSecret = odd })
	wantKind(t, err, "refused at token")
	if !strings.Contains(err.Error(), "[removed]") {
		t.Errorf("%s contains the client secret", err)
	}
}

func TestUserinfoErrorContainsNoSecret(t *testing.T) {
	f := newFake(t)
	raw := f.signed()
	f.idToken = func(map[string]any) string { return raw }
	for _, said := range []string{code, login().State, login().Nonce, login().Verifier, raw} {
		f.update(func() { f.override[userinfoPath] = reply(500, []byte("about "+said)) })
		_, err := f.identify(t, []string{"email"})
		wantNoSecret(t, err)
		if strings.Contains(err.Error(), strings.Split(raw, ".")[1][:40]) {
			t.Errorf("the ID token is in %v", err)
		}
	}
}

// An ID token may contain a secret in a claim that an error quotes.
func TestIDTokenErrorContainsNoSecret(t *testing.T) {
	for _, said := range []string{code, login().State, login().Verifier, accessToken} {
		for _, name := range []string{"iss", "aud"} {
			_, err := newFake(t, with(name, said)).identify(t, nil)
			if strings.Contains(err.Error(), said) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestKeysErrorContainsNoSecret(t *testing.T) {
	f := newFake(t, override(keysPath, reply(500, []byte("about "+code+" "+login().State))))
	_, err := f.identify(t, nil)
	wantNoSecret(t, err)
}

// The client secret is removed also in the encoding of a form and of a Basic header.
func TestSecretAsItWasSent(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("alexa-bridge:client%2Bsecret%2F0123456789%3Dabcdefghijklm"))
	for _, said := range []string{"client%2Bsecret%2F0123456789%3Dabcdefghijklm", basic} {
		answer := encode(map[string]any{"error": "invalid_client", "error_description": "you sent " + said})
		_, err := newFake(t, override(tokenPath, reply(401, answer))).identify(t, nil)
		if strings.Contains(err.Error(), said) {
			t.Errorf("%v", err)
		}
	}
}
