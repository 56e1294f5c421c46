package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// Token responses are exactly these bytes.
func TestTokenResponse(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	format := regexp.MustCompile(`^\{"access_token":"aob_at_[A-Za-z0-9_-]{43}","token_type":"Bearer","expires_in":3600,` +
		`"refresh_token":"aob_rt_[A-Za-z0-9_-]{43}","scope":"orders"\}$`)
	response, body := b.Exchange(b.Code(""), "redirect_uri", b.Request().RedirectURI, "client_id", "pizza")
	first := b.WantTokens(response, body)
	if !format.MatchString(body) {
		t.Errorf("exchange: %s", regexp.MustCompile(`[A-Za-z0-9_-]{43}`).ReplaceAllString(body, "…"))
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store",
		"Pragma": "no-cache"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	response, body = b.Refresh(first.RefreshToken)
	second := b.WantTokens(response, body)
	if !format.MatchString(body) || second.RefreshToken != first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Errorf("refresh: %+v, then %+v", first, second)
	}
	b.WantActive(first.AccessToken)
	b.WantActive(second.AccessToken)
	b.Clock.Advance(time.Hour)
	b.WantInactive(second.AccessToken)
	third := b.WantTokens(b.Refresh(first.RefreshToken)) // a refresh token does not expire
	b.WantActive(third.AccessToken)
	b.WantMetric(`bridge_token_requests_total{client_id="pizza",grant_type="refresh_token",outcome="issued"} 2`)
}

// Errors use up no code and no refresh token.
func TestToken(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withLightsCodeGrant)
	pkce := challengeQuery()
	code, codeWithChallenge := b.Code(""), b.Code(pkce)
	live := b.LinkByCode()
	exchange := func(more ...string) url.Values {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
		for i := 0; i < len(more); i += 2 {
			form[more[i]] = append(form[more[i]], more[i+1])
		}
		return form
	}
	set := func(name, value string) url.Values {
		form := exchange()
		form.Set(name, value)
		return form
	}
	refresh := func(token string) url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	}
	inBody := func(secret string) url.Values {
		form := refresh(live.RefreshToken)
		form.Set("client_id", "pizza")
		form.Set("client_secret", secret)
		return form
	}
	tests := []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		status int
		code   string // of the error; empty: tokens
	}{
		{"Basic", refresh(live.RefreshToken), nil, 200, ""},
		{"Basic, second secret", refresh(live.RefreshToken), basicAuth("pizza", newSkillSecret), 200, ""},
		{"Basic, form-encoded", refresh(live.RefreshToken), basicAuth("pizza", url.QueryEscape(newSkillSecret)), 200, ""},
		{"in the body", inBody(newSkillSecret), withoutAuth, 200, ""},
		{"both, the same", inBody(skillSecret), nil, 200, ""},

		{"no grant type", url.Values{"code": {code}}, nil, 400, "invalid_request"},
		{"unknown grant type", set("grant_type", "password"), nil, 400, "unsupported_grant_type"},
		{"client credentials", set("grant_type", "client_credentials"), nil, 400, "unsupported_grant_type"},
		{"no code", url.Values{"grant_type": {"authorization_code"}}, nil, 400, "invalid_request"},
		{"no refresh token", url.Values{"grant_type": {"refresh_token"}}, nil, 400, "invalid_request"},
		{"repeated code", exchange("code", code), nil, 400, "invalid_request"},
		{"repeated grant type", exchange("grant_type", "authorization_code"), nil, 400, "invalid_request"},
		{"repeated redirect URI", exchange("redirect_uri", "a", "redirect_uri", "b"), nil, 400, "invalid_request"},
		{"repeated verifier", exchange("code_verifier", "a", "code_verifier", "b"), nil, 400, "invalid_request"},

		{"no credentials", exchange(), withoutAuth, 401, "invalid_client"},
		{"wrong secret", exchange(), basicAuth("pizza", testbridge.LightsSecret), 401, "invalid_client"},
		{"empty secret", exchange(), basicAuth("pizza", ""), 401, "invalid_client"},
		{"id only in the body", exchange("client_id", "pizza"), withoutAuth, 401, "invalid_client"},
		{"empty secret in the body", exchange("client_id", "pizza", "client_secret", ""), withoutAuth, 401, "invalid_client"},
		{"unknown client", exchange(), basicAuth("burger", skillSecret), 401, "invalid_client"},
		{"a backend's credentials", exchange(), basicAuth(testbridge.BackendID, testbridge.BackendSecret), 401,
			"invalid_client"},
		{"another id in the body", exchange("client_id", "lights"), nil, 400, "invalid_request"},
		{"another secret in the body", exchange("client_secret", testbridge.LightsSecret), nil, 400, "invalid_request"},
		{"repeated client secret",
			exchange("client_id", "pizza", "client_secret", skillSecret, "client_secret", skillSecret), withoutAuth, 400,
			"invalid_request"},

		{"another client's code", exchange(), basicAuth("lights", testbridge.LightsSecret), 400, "invalid_grant"},
		{"another redirect URI", exchange("redirect_uri", b.Skill.RedirectURIs[0]), nil, 400, "invalid_grant"},
		{"a verifier without a challenge", exchange("code_verifier", pkceVerifier), nil, 400, "invalid_grant"},
		{"no verifier", set("code", codeWithChallenge), nil, 400, "invalid_grant"},
		{"wrong verifier", url.Values{"grant_type": {"authorization_code"}, "code": {codeWithChallenge},
			"code_verifier": {pkceVerifier + "x"}}, nil, 400, "invalid_grant"},
		{"the challenge as verifier",
			url.Values{"grant_type": {"authorization_code"}, "code": {codeWithChallenge},
				"code_verifier": {pkceChallenge(pkceVerifier)}}, nil, 400, "invalid_grant"},
		{"short verifier", url.Values{"grant_type": {"authorization_code"}, "code": {codeWithChallenge},
			"code_verifier": {"abc"}}, nil, 400, "invalid_grant"},
		{"unknown code", set("code", bridge.NewRandomToken(bridge.CodeKind)), nil, 400, "invalid_grant"},
		{"malformed code", set("code", "' OR 1=1"), nil, 400, "invalid_grant"},
		{"a refresh token as code", set("code", live.RefreshToken), nil, 400, "invalid_grant"},
		{"an access token as refresh token", refresh(live.AccessToken), nil, 400, "invalid_grant"},
		{"a code as refresh token", refresh(code), nil, 400, "invalid_grant"},
		{"unknown refresh token", refresh(bridge.NewRandomToken(bridge.RefreshTokenKind)), nil, 400, "invalid_grant"},
		{"another client's refresh token", refresh(live.RefreshToken), basicAuth("lights", testbridge.LightsSecret), 400,
			"invalid_grant"},
		{"more scopes", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {live.RefreshToken},
			"scope": {"orders menu"}}, nil, 400, "invalid_scope"},

		{"GET", nil, func(q *http.Request) { q.Method = http.MethodGet }, 405, "invalid_request"},
		{"JSON", exchange(), func(q *http.Request) { q.Header.Set("Content-Type", "application/json") }, 415,
			"invalid_request"},
		{"all in the URL", url.Values{"x": {"y"}}, func(q *http.Request) { q.URL.RawQuery = exchange().Encode() }, 400,
			"invalid_request"},
		{"too large", exchange("x", strings.Repeat("x", 9000)), nil, 413, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := b.TokenRequest(tt.form)
			if tt.change != nil {
				tt.change(request)
			}
			response, body := b.Do(request)
			if tt.code == "" {
				b.WantTokens(response, body)
				return
			}
			wantErrorResponse(t, response, body, tt.status, tt.code)
			if strings.HasPrefix(tt.name, "GET") && !strings.Contains(body, "Use POST") {
				t.Errorf("the description does not name POST: %s", body)
			}
		})
	}
	b.WantTokens(b.Exchange(code, "redirect_uri", b.Request().RedirectURI))
	b.WantTokens(b.Exchange(codeWithChallenge, "code_verifier", pkceVerifier))
	b.WantTokens(b.Refresh(live.RefreshToken))
	b.WantActive(live.AccessToken)
}

// A code that is presented again revokes its link, except within ten seconds and without the client's secret.
func TestCodeReplay(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	code := b.Code("")
	first := b.WantTokens(b.Exchange(code))
	b.Clock.Advance(9 * time.Second)
	wantCodeRejected(b, code)
	b.WantActive(first.AccessToken)
	b.Clock.Advance(4 * time.Second)
	unauthenticated := b.TokenRequest(url.Values{"grant_type": {"authorization_code"}, "code": {code}})
	unauthenticated.SetBasicAuth("pizza", testbridge.LightsSecret)
	response, body := b.Do(unauthenticated)
	wantErrorResponse(b, response, body, 401, "invalid_client")
	b.WantActive(first.AccessToken)
	wantCodeRejected(b, code)
	b.WantInactive(first.AccessToken)
	wantRefreshRejected(b, first.RefreshToken)
}

func TestExpiredCode(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	code := b.Code("")
	b.Clock.Advance(time.Minute)
	wantCodeRejected(b, code)
	if _, err := b.Store.Sweep(t.Context(),
		bridge.Sweep{Now: b.Clock.Now().Add(bridge.RedeemGrace), Limit: 100}); err != nil {
		t.Fatal(err)
	}
	if links := b.Links(); links[0].Reason != bridge.ReasonNotRedeemed {
		t.Errorf("link %+v, want it revoked as not redeemed", links[0])
	}
}
