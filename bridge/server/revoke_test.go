package server_test

import (
	"net/http"
	"net/url"
	"testing"

	"alexa-oidc-bridge/internal/testbridge"
)

// A skill or its backend revokes a link by any of its tokens (RFC 7009).
func TestRevoke(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withLightsCodeGrant)
	revoke := func(form url.Values, id, secret string) (*http.Response, string) {
		request := b.NewRequest(http.MethodPost, "/revoke", form)
		if id != "" {
			request.SetBasicAuth(id, secret)
		}
		return b.Do(request)
	}
	live := b.LinkByCode()
	for name, tt := range map[string]struct {
		form       url.Values
		id, secret string
		status     int
	}{
		"no credentials":           {url.Values{"token": {live.AccessToken}}, "", "", 401},
		"the skill without secret": {url.Values{"token": {live.AccessToken}, "client_id": {"pizza"}}, "", "", 401},
		"wrong secret":             {url.Values{"token": {live.AccessToken}}, "pizza", testbridge.LightsSecret, 401},
		"another skill":            {url.Values{"token": {live.AccessToken}}, "lights", testbridge.LightsSecret, 200},
		"another skill's backend": {url.Values{"token": {live.AccessToken}},
			testbridge.LightsBackendID, testbridge.LightsSecret, 200},
		"unknown token":  {url.Values{"token": {"unknown"}}, "pizza", skillSecret, 200},
		"no token":       {url.Values{"x": {"y"}}, "pizza", skillSecret, 400},
		"repeated token": {url.Values{"token": {live.AccessToken, live.AccessToken}}, "pizza", skillSecret, 400},
	} {
		if response, body := revoke(tt.form, tt.id, tt.secret); response.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", name, response.StatusCode, tt.status, body)
		}
	}
	b.WantActive(live.AccessToken)
	for name, revoke := range map[string]func(tokenResponse) (*http.Response, string){
		"access token": func(g tokenResponse) (*http.Response, string) {
			return revoke(url.Values{"token": {g.AccessToken}}, "pizza", skillSecret)
		},
		"refresh token": func(g tokenResponse) (*http.Response, string) {
			return revoke(url.Values{"token": {g.RefreshToken}, "token_type_hint": {"access_token"}}, "pizza", skillSecret)
		},
		"backend": func(g tokenResponse) (*http.Response, string) {
			return revoke(url.Values{"token": {g.AccessToken}}, testbridge.BackendID, testbridge.BackendSecret)
		},
	} {
		tokens := b.LinkByCode()
		response, body := revoke(tokens)
		if response.StatusCode != http.StatusOK || body != "" || b.Lookup(tokens.AccessToken).Active {
			t.Errorf("by %s: status %d, %s", name, response.StatusCode, body)
		}
		wantRefreshRejected(b, tokens.RefreshToken)
	}
	b.WantActive(live.AccessToken)
}

// A skill without a secret is a public client: it sends its id only (RFC 7009 section 2.1).
func TestRevokeByPublicClient(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	token := b.Link()
	request := b.NewRequest(http.MethodPost, "/revoke", url.Values{"token": {token}, "client_id": {"pizza"}})
	if response, body := b.Do(request); response.StatusCode != http.StatusOK || b.Lookup(token).Active {
		t.Errorf("status %d, %s", response.StatusCode, body)
	}
}
