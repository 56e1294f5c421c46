package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// Userinfo has the claims that the skill may see, for access tokens in the header only (RFC 6750).
func TestUserinfo(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, func(b *testBridge) {
		b.Skill.Claims = []string{"email", "sub", "upstream_iss"}
	})
	live := b.LinkByCode()
	send := func(method string, change func(*http.Request)) (*http.Response, string) {
		request := b.NewRequest(method, "/userinfo", nil)
		request.Header.Set("Authorization", "Bearer "+live.AccessToken)
		if change != nil {
			change(request)
		}
		return b.Do(request)
	}
	want := `{"email":"ada@contoso.com","sub":"a2b4c6","upstream_iss":"` + b.Provider.Issuer() + `"}`
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		response, body := send(method, nil)
		if response.StatusCode != 200 || body != want || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, %s", method, response.StatusCode, body)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"no header":     withoutAuth,
		"refresh token": func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+live.RefreshToken) },
		"Basic":         basicAuth("pizza", skillSecret),
		"in the URL": func(q *http.Request) {
			withoutAuth(q)
			q.URL.RawQuery = "access_token=" + live.AccessToken
		},
		"two headers": func(q *http.Request) { q.Header.Add("Authorization", "Bearer x") },
	} {
		response, _ := send(http.MethodGet, change)
		if response.StatusCode != 401 || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: status %d", name, response.StatusCode)
		}
	}
}
