package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/simulator"
)

func TestRevoke(t *testing.T) {
	r := newRig(t, withCode, withLights)
	revoke := func(form url.Values, id, secret string) (*http.Response, string) {
		request := r.newRequest(http.MethodPost, "/revoke", form)
		if id != "" {
			request.SetBasicAuth(id, secret)
		}
		return r.do(request)
	}
	link := func() given { return r.wantTokens(r.exchange(url.Values{"code": {r.code("")}})) }
	live := link()
	for name, tt := range map[string]struct {
		form       url.Values
		id, secret string
		status     int
	}{
		"nobody":                   {url.Values{"token": {live.AccessToken}}, "", "", 401},
		"the skill without secret": {url.Values{"token": {live.AccessToken}, "client_id": {"pizza"}}, "", "", 401},
		"wrong secret":             {url.Values{"token": {live.AccessToken}}, "pizza", otherSecret, 401},
		"another skill":            {url.Values{"token": {live.AccessToken}}, "lights", otherSecret, 200},
		"another skill's backend":  {url.Values{"token": {live.AccessToken}}, "lights-backend", otherSecret, 200},
		"unknown token":            {url.Values{"token": {"unknown"}}, "pizza", skillSecret, 200},
		"no token":                 {url.Values{"x": {"y"}}, "pizza", skillSecret, 400},
		"repeated token":           {url.Values{"token": {live.AccessToken, live.AccessToken}}, "pizza", skillSecret, 400},
	} {
		if response, body := revoke(tt.form, tt.id, tt.secret); response.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", name, response.StatusCode, tt.status, body)
		}
	}
	r.wantActive(live.AccessToken)
	for name, by := range map[string]func(given) (*http.Response, string){
		"access token": func(g given) (*http.Response, string) {
			return revoke(url.Values{"token": {g.AccessToken}}, "pizza", skillSecret)
		},
		"refresh token": func(g given) (*http.Response, string) {
			return revoke(url.Values{"token": {g.RefreshToken}, "token_type_hint": {"access_token"}}, "pizza", skillSecret)
		},
		"backend": func(g given) (*http.Response, string) {
			return revoke(url.Values{"token": {g.AccessToken}}, backendID, backendSecret)
		},
	} {
		mine := link()
		response, body := by(mine)
		if response.StatusCode != http.StatusOK || body != "" || r.lookup(mine.AccessToken).Active {
			t.Errorf("by its %s: status %d, %s", name, response.StatusCode, body)
		}
		response, body = r.refresh(mine.RefreshToken)
		r.wantRefused(response, body, 400, "invalid_grant")
	}
	r.wantActive(live.AccessToken)
}

// A skill without a secret names itself, and the token is the proof.
func TestRevokeOfASkillWithoutSecret(t *testing.T) {
	r := newRig(t)
	token := r.link(simulator.NewPhone(), ada)
	request := r.newRequest(http.MethodPost, "/revoke", url.Values{"token": {token}, "client_id": {"pizza"}})
	if response, body := r.do(request); response.StatusCode != http.StatusOK || r.lookup(token).Active {
		t.Errorf("status %d, %s", response.StatusCode, body)
	}
}

func TestUserinfo(t *testing.T) {
	r := newRig(t, withCode, func(r *rig) { r.skill.Claims = []string{"email", "sub", "upstream_iss"} })
	live := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}}))
	ask := func(method string, change func(*http.Request)) (*http.Response, string) {
		request := r.newRequest(method, "/userinfo", nil)
		request.Header.Set("Authorization", "Bearer "+live.AccessToken)
		if change != nil {
			change(request)
		}
		return r.do(request)
	}
	want := `{"email":"ada@contoso.com","sub":"a2b4c6","upstream_iss":"` + r.provider.Issuer() + `"}`
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if response, body := ask(method, nil); response.StatusCode != 200 || body != want || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, %s", method, response.StatusCode, body)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"no header":     func(q *http.Request) { q.Header.Del("Authorization") },
		"refresh token": func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+live.RefreshToken) },
		"Basic":         func(q *http.Request) { q.SetBasicAuth("pizza", skillSecret) },
		"in the URL": func(q *http.Request) {
			q.Header.Del("Authorization")
			q.URL.RawQuery = "access_token=" + live.AccessToken
		},
		"two headers": func(q *http.Request) { q.Header.Add("Authorization", "Bearer x") },
	} {
		response, _ := ask(http.MethodGet, change)
		if response.StatusCode != 401 || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: status %d", name, response.StatusCode)
		}
	}
}

func TestMetadata(t *testing.T) {
	get := func(r *rig) map[string]any {
		response, body := r.do(r.newRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil))
		var metadata map[string]any
		if err := json.Unmarshal([]byte(body), &metadata); err != nil || response.StatusCode != 200 {
			t.Fatalf("status %d: %s", response.StatusCode, body)
		}
		return metadata
	}
	r := newRig(t)
	implicit := get(r)
	for _, name := range []string{"token_endpoint", "code_challenge_methods_supported", "authorization_response_iss_parameter_supported"} {
		if implicit[name] != nil {
			t.Errorf("%s is told, though no skill can use it", name)
		}
	}
	if implicit["issuer"] != r.origin || implicit["introspection_endpoint"] != r.origin+"/lookup" {
		t.Errorf("metadata %v", implicit)
	}
	r = newRig(t, withCode)
	both := get(r)
	for name, want := range map[string]string{"token_endpoint": r.origin + "/token", "response_types_supported": "[code token]",
		"grant_types_supported": "[authorization_code implicit refresh_token]", "code_challenge_methods_supported": "[S256]"} {
		if got := strings.TrimSpace(toText(both[name])); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// toText writes a value of a JSON document as one line.
func toText(value any) string {
	list, isList := value.([]any)
	if !isList {
		text, _ := value.(string)
		return text
	}
	var words []string
	for _, one := range list {
		words = append(words, toText(one))
	}
	return "[" + strings.Join(words, " ") + "]"
}
