package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// given is what the token endpoint gives out.
type given struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// tokenRequest is a request as Alexa sends it, by HTTP Basic.
func (r *rig) tokenRequest(form url.Values) *http.Request {
	r.Helper()
	request := r.newRequest(http.MethodPost, "/token", form)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	request.SetBasicAuth("pizza", skillSecret)
	return request
}

func (r *rig) exchange(form url.Values) (*http.Response, string) {
	r.Helper()
	form.Set("grant_type", "authorization_code")
	return r.do(r.tokenRequest(form))
}

func (r *rig) refresh(token string) (*http.Response, string) {
	r.Helper()
	return r.do(r.tokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
}

func (r *rig) wantTokens(response *http.Response, body string) given {
	r.Helper()
	var got given
	if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusOK || got.AccessToken == "" {
		r.Fatalf("status %d: %s", response.StatusCode, body)
	}
	r.secret(got.AccessToken)
	r.secret(got.RefreshToken)
	return got
}

func (r *rig) wantRefused(response *http.Response, body string, status int, code string) {
	r.Helper()
	if response.StatusCode != status || !isErrorObject(body, `"`+code+`"`) || response.Header.Get("Cache-Control") != "no-store" {
		r.Errorf("status %d, want %d %s: %s", response.StatusCode, status, code, body)
	}
	if challenge := response.Header.Get("WWW-Authenticate"); (status == 401) != (challenge != "") {
		r.Errorf("WWW-Authenticate: %q", challenge)
	}
}

// The answers are what Alexa reads, to the letter.
func TestGoldenAnswers(t *testing.T) {
	r := newRig(t, withCode)
	golden := regexp.MustCompile(`^\{"access_token":"aob_at_[A-Za-z0-9_-]{43}","token_type":"Bearer","expires_in":3600,` +
		`"refresh_token":"aob_rt_[A-Za-z0-9_-]{43}","scope":"orders"\}$`)
	response, body := r.exchange(url.Values{"code": {r.code("")}, "redirect_uri": {r.request().RedirectURI}, "client_id": {"pizza"}})
	first := r.wantTokens(response, body)
	if !golden.MatchString(body) {
		t.Errorf("exchange: %s", regexp.MustCompile(`[A-Za-z0-9_-]{43}`).ReplaceAllString(body, "…"))
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	response, body = r.refresh(first.RefreshToken)
	second := r.wantTokens(response, body)
	if !golden.MatchString(body) || second.RefreshToken != first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Errorf("refresh: %+v, then %+v", first, second)
	}
	r.wantActive(first.AccessToken)
	r.wantActive(second.AccessToken)
	r.clock.advance(time.Hour)
	if r.lookup(second.AccessToken).Active {
		t.Error("active after its end")
	}
	third := r.wantTokens(r.refresh(first.RefreshToken)) // a year later too, the link is as good
	r.wantActive(third.AccessToken)
	r.wantMetric(`bridge_token_requests_total{client_id="pizza",grant_type="refresh_token",outcome="issued"} 2`)
}

func TestTokenFaults(t *testing.T) {
	r := newRig(t, withCode, withLights)
	pkce := "&code_challenge=" + challenge(verifier) + "&code_challenge_method=S256"
	code, codeWithChallenge := r.code(""), r.code(pkce)
	live := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}}))
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
	basic := func(id, secret string) func(*http.Request) {
		return func(q *http.Request) { q.SetBasicAuth(id, secret) }
	}
	none := func(q *http.Request) { q.Header.Del("Authorization") }
	tests := []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		status int
		code   string
	}{
		{"no grant type", url.Values{"code": {code}}, nil, 400, "invalid_request"},
		{"unknown grant type", set("grant_type", "password"), nil, 400, "unsupported_grant_type"},
		{"client credentials", set("grant_type", "client_credentials"), nil, 400, "unsupported_grant_type"},
		{"no code", url.Values{"grant_type": {"authorization_code"}}, nil, 400, "invalid_request"},
		{"no refresh token", url.Values{"grant_type": {"refresh_token"}}, nil, 400, "invalid_request"},
		{"repeated code", exchange("code", code), nil, 400, "invalid_request"},
		{"repeated grant type", exchange("grant_type", "authorization_code"), nil, 400, "invalid_request"},
		{"repeated redirect URI", exchange("redirect_uri", "a", "redirect_uri", "b"), nil, 400, "invalid_request"},
		{"repeated verifier", exchange("code_verifier", "a", "code_verifier", "b"), nil, 400, "invalid_request"},

		{"nobody", exchange(), none, 401, "invalid_client"},
		{"wrong secret", exchange(), basic("pizza", otherSecret), 401, "invalid_client"},
		{"empty secret", exchange(), basic("pizza", ""), 401, "invalid_client"},
		{"id only in the body", exchange("client_id", "pizza"), none, 401, "invalid_client"},
		{"empty secret in the body", exchange("client_id", "pizza", "client_secret", ""), none, 401, "invalid_client"},
		{"unknown client", exchange(), basic("burger", skillSecret), 401, "invalid_client"},
		{"a backend", exchange(), basic(backendID, backendSecret), 401, "invalid_client"},
		{"another id in the body", exchange("client_id", "lights"), nil, 400, "invalid_request"},
		{"another secret in the body", exchange("client_secret", otherSecret), nil, 400, "invalid_request"},
		{"repeated client secret", exchange("client_id", "pizza", "client_secret", skillSecret, "client_secret", skillSecret), none, 400, "invalid_request"},

		{"another client's code", exchange(), basic("lights", otherSecret), 400, "invalid_grant"},
		{"another redirect URI", exchange("redirect_uri", r.skill.RedirectURIs[0]), nil, 400, "invalid_grant"},
		{"a verifier that was not asked for", exchange("code_verifier", verifier), nil, 400, "invalid_grant"},
		{"no verifier", set("code", codeWithChallenge), nil, 400, "invalid_grant"},
		{"wrong verifier", url.Values{"grant_type": {"authorization_code"}, "code": {codeWithChallenge}, "code_verifier": {verifier + "x"}}, nil, 400, "invalid_grant"},
		{"the challenge as verifier", url.Values{"grant_type": {"authorization_code"}, "code": {codeWithChallenge}, "code_verifier": {challenge(verifier)}}, nil, 400, "invalid_grant"},
		{"short verifier", url.Values{"grant_type": {"authorization_code"}, "code": {codeWithChallenge}, "code_verifier": {"abc"}}, nil, 400, "invalid_grant"},
		{"unknown code", set("code", bridge.NewRandomToken(bridge.CodeKind)), nil, 400, "invalid_grant"},
		{"malformed code", set("code", "' OR 1=1"), nil, 400, "invalid_grant"},
		{"a refresh token as code", set("code", live.RefreshToken), nil, 400, "invalid_grant"},
		{"an access token as refresh token", refresh(live.AccessToken), nil, 400, "invalid_grant"},
		{"a code as refresh token", refresh(code), nil, 400, "invalid_grant"},
		{"unknown refresh token", refresh(bridge.NewRandomToken(bridge.RefreshTokenKind)), nil, 400, "invalid_grant"},
		{"another client's refresh token", refresh(live.RefreshToken), basic("lights", otherSecret), 400, "invalid_grant"},
		{"more scopes", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {live.RefreshToken}, "scope": {"orders menu"}}, nil, 400, "invalid_scope"},

		{"GET", nil, func(q *http.Request) { q.Method = http.MethodGet }, 405, "invalid_request"},
		{"JSON", exchange(), func(q *http.Request) { q.Header.Set("Content-Type", "application/json") }, 415, "invalid_request"},
		{"all in the URL", url.Values{"x": {"y"}}, func(q *http.Request) { q.URL.RawQuery = exchange().Encode() }, 400, "invalid_request"},
		{"too large", exchange("x", strings.Repeat("x", 9000)), nil, 413, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := r.tokenRequest(tt.form)
			if tt.change != nil {
				tt.change(request)
			}
			response, body := r.do(request)
			r.wantRefused(response, body, tt.status, tt.code)
			if strings.HasPrefix(tt.name, "GET") && !strings.Contains(body, "Use POST") {
				t.Errorf("what is expected is not said: %s", body)
			}
		})
	}
	// None of this burnt anything.
	r.wantTokens(r.exchange(url.Values{"code": {code}, "redirect_uri": {r.request().RedirectURI}}))
	r.wantTokens(r.exchange(url.Values{"code": {codeWithChallenge}, "code_verifier": {verifier}}))
	r.wantTokens(r.refresh(live.RefreshToken))
	r.wantActive(live.AccessToken)
}

func TestTokenAuthentication(t *testing.T) {
	r := newRig(t, withCode)
	second := "new+" + skillSecret + "/="
	token := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}})).RefreshToken
	for name, change := range map[string]func(*http.Request) *http.Request{
		"Basic":               func(q *http.Request) *http.Request { return q },
		"Basic, the other":    func(q *http.Request) *http.Request { q.SetBasicAuth("pizza", second); return q },
		"Basic, form-encoded": func(q *http.Request) *http.Request { q.SetBasicAuth("pizza", url.QueryEscape(second)); return q },
		"body": func(*http.Request) *http.Request {
			return r.newRequest(http.MethodPost, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token},
				"client_id": {"pizza"}, "client_secret": {second}})
		},
		"both, the same": func(*http.Request) *http.Request {
			return r.tokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token},
				"client_id": {"pizza"}, "client_secret": {skillSecret}})
		},
	} {
		request := change(r.tokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
		if response, body := r.do(request); response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, %s", name, response.StatusCode, body)
		}
	}
}

func TestCodeReplay(t *testing.T) {
	r := newRig(t, withCode)
	code := r.code("")
	form := func() url.Values { return url.Values{"code": {code}} }
	first := r.wantTokens(r.exchange(form()))
	r.clock.advance(9 * time.Second)
	response, body := r.exchange(form())
	r.wantRefused(response, body, 400, "invalid_grant")
	r.wantActive(first.AccessToken)
	r.clock.advance(4 * time.Second)
	unauthenticated := r.tokenRequest(url.Values{"grant_type": {"authorization_code"}, "code": {code}})
	unauthenticated.SetBasicAuth("pizza", otherSecret)
	response, body = r.do(unauthenticated)
	r.wantRefused(response, body, 401, "invalid_client")
	r.wantActive(first.AccessToken)
	response, body = r.exchange(form())
	r.wantRefused(response, body, 400, "invalid_grant")
	if r.lookup(first.AccessToken).Active {
		t.Error("the link lives on after a replay")
	}
	response, body = r.refresh(first.RefreshToken)
	r.wantRefused(response, body, 400, "invalid_grant")
}

func TestExpiredCode(t *testing.T) {
	r := newRig(t, withCode)
	code := r.code("")
	r.clock.advance(time.Minute)
	response, body := r.exchange(url.Values{"code": {code}})
	r.wantRefused(response, body, 400, "invalid_grant")
	if _, err := r.store.Sweep(t.Context(), r.clock.Now().Add(bridge.RedeemGrace), 100); err != nil {
		t.Fatal(err)
	}
	if links := r.links(); links[0].Reason != bridge.ReasonNotRedeemed {
		t.Errorf("the link lives on without its code: %+v", links)
	}
}

// An edit of the configuration suspends a link, and so does an outage: neither is ever invalid_grant, which is final.
func TestSuspendedIsNotRefused(t *testing.T) {
	r := newRig(t, withCode)
	token := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}})).RefreshToken
	r.skill.Allow.Groups = []string{"nobody"}
	r.restart()
	response, body := r.refresh(token)
	r.wantRefused(response, body, 503, "temporarily_unavailable")
	r.skill.Allow.Groups = nil
	r.restart()
	r.wantTokens(r.refresh(token))
	r.store.Close()
	response, body = r.refresh(token)
	r.wantRefused(response, body, 503, "temporarily_unavailable")
	if response.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.restart()
	r.wantTokens(r.refresh(token))
}

func TestRefreshLifetime(t *testing.T) {
	r := newRig(t, withCode, func(r *rig) { r.skill.RefreshLifetime = 24 * time.Hour })
	token := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}})).RefreshToken
	r.clock.advance(24*time.Hour - time.Second)
	r.wantTokens(r.refresh(token))
	r.clock.advance(time.Second)
	response, body := r.refresh(token)
	r.wantRefused(response, body, 400, "invalid_grant")
}

func TestRotation(t *testing.T) {
	r := newRig(t, withCode, func(r *rig) { r.skill.RotateRefresh = true })
	root := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}}))
	lost := r.wantTokens(r.refresh(root.RefreshToken))
	arrived := r.wantTokens(r.refresh(root.RefreshToken)) // the first answer was lost
	if lost.RefreshToken == root.RefreshToken || arrived.RefreshToken == lost.RefreshToken {
		t.Error("the refresh token does not rotate")
	}
	r.wantTokens(r.refresh(arrived.RefreshToken)) // confirms
	response, body := r.refresh(root.RefreshToken)
	r.wantRefused(response, body, 400, "invalid_grant")
	if links := r.links(); links[0].Reason != bridge.ReasonRefreshReplayed {
		t.Errorf("a replay did not end the link: %+v", links)
	}
	response, body = r.refresh(arrived.RefreshToken)
	r.wantRefused(response, body, 400, "invalid_grant")
}
