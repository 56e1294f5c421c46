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
	"alexa-oidc-bridge/bridge/alexa/simulator"
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
	if r.lookUp(second.AccessToken).Active {
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
	if r.lookUp(first.AccessToken).Active {
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
		if response.StatusCode != http.StatusOK || body != "" || r.lookUp(mine.AccessToken).Active {
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
	if response, body := r.do(request); response.StatusCode != http.StatusOK || r.lookUp(token).Active {
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
