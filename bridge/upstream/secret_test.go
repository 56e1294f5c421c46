package upstream_test

import (
	"net/http"
	"strings"
	"testing"
)

// wantNoSecret holds the text of an error to telling nothing of a login, and no URL.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	wantPrintable(t, err)
	for _, secret := range []string{
		code, login().State, login().Nonce, login().Verifier, clientSecret, accessToken,
		"://", discoveryPath, tokenPath + "?", "path-of-the-endpoint", "query=",
	} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q tells %q", err, secret)
		}
	}
}

// TestErrorsTellNoSecret lets every endpoint say back what it was sent, and what else belongs to the login.
func TestErrorsTellNoSecret(t *testing.T) {
	sent := strings.Join([]string{code, login().State, login().Nonce, login().Verifier, clientSecret}, " ")
	elsewhere := "https://other.example.com/path-of-the-endpoint?code=" + code
	oauthError := encode(map[string]any{"error": "invalid_grant " + sent, "error_description": "you sent " + sent})
	tests := []struct {
		name, path string
		answer     http.HandlerFunc
		want       string
	}{
		{"discovery", discoveryPath, reply(http.StatusInternalServerError, []byte("no "+clientSecret)), "unavailable at discovery"},
		{"discovery redirects", discoveryPath, redirect(elsewhere), "unavailable at discovery"},
		{"discovery cuts", discoveryPath, cut, "unavailable at discovery"},
		{"the code is refused", tokenPath, reply(http.StatusBadRequest, oauthError), "refused at token"},
		{"the token endpoint fails", tokenPath, reply(http.StatusInternalServerError, oauthError), "unavailable at token"},
		{"the token endpoint fails, not as JSON", tokenPath, reply(http.StatusBadGateway, []byte(sent+" "+accessToken)), "unavailable at token"},
		{"the token endpoint answers not as JSON", tokenPath, reply(http.StatusOK, []byte(sent)), "unavailable at token"},
		{"the token endpoint speaks no HTTP", tokenPath, noHTTP(sent), "unavailable at token"},
		{"the token endpoint redirects", tokenPath, redirect(elsewhere), "unavailable at token"},
		{"the token endpoint redirects to no URL", tokenPath, redirect(":" + sent), "unavailable at token"},
		{"the token endpoint cuts", tokenPath, cut, "unavailable at token"},
		{"keys", keysPath, reply(http.StatusInternalServerError, []byte("no "+clientSecret)), "unavailable at keys"},
		{"keys cut", keysPath, cut, "unavailable at keys"},
		{"userinfo", userinfoPath, reply(http.StatusUnauthorized, []byte(accessToken+" "+clientSecret)), "unavailable at userinfo"},
		{"userinfo answers not as JSON", userinfoPath, reply(http.StatusOK, []byte(accessToken)), "unavailable at userinfo"},
		{"userinfo redirects", userinfoPath, redirect(elsewhere + accessToken), "unavailable at userinfo"},
		{"userinfo cuts", userinfoPath, cut, "unavailable at userinfo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newForge(t, instead(tt.path, tt.answer)).identify(t, []string{needsUserinfo})
			wantKind(t, err, tt.want)
			wantNoSecret(t, err)
		})
	}
}

// redirect answers with a redirect to what may be no URL.
func redirect(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}
}

// noHTTP answers with what is no HTTP.
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

func TestErrorsTellNoURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"token_endpoint": "unavailable at token", "jwks_uri": "unavailable at keys", "userinfo_endpoint": "unavailable at userinfo",
	} {
		t.Run(endpoint, func(t *testing.T) {
			_, err := newForge(t, unreachable(endpoint)).identify(t, []string{needsUserinfo})
			wantKind(t, err, want)
			wantNoSecret(t, err)
		})
	}
}

func TestErrorsTellNoIDToken(t *testing.T) {
	for name, bend := range map[string]func(*forge){
		"of another provider":      with("iss", "another"),
		"of another login":         with("nonce", "of-another-login"),
		"with another's at_hash":   with("at_hash", "of-another-login"),
		"expired":                  with("exp", now().Unix()-1000),
		"of another key":           func(f *forge) { f.key.private = newKey(t, "").private },
		"without a signature":      func(f *forge) { f.idToken = unsecured },
		"with a claim of no sense": with("exp", []string{"tomorrow"}),
		"that is no JWT":           func(f *forge) { f.idToken = func(map[string]any) string { return "secret-but-no-jwt" } },
	} {
		t.Run(name, func(t *testing.T) {
			f := newForge(t, bend)
			made := f.signed()
			f.change(func() { f.idToken = func(map[string]any) string { return made } })
			_, err := f.identify(t, nil)
			wantKind(t, err, refusedIDToken)
			wantPrintable(t, err)
			for part := range strings.SplitSeq(made+".of-another-login", ".") {
				if part != "" && strings.Contains(err.Error(), part) {
					t.Errorf("%q tells of the ID token", err)
				}
			}
		})
	}
}
