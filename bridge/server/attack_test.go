package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/securecookie"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/simulator"
)

func TestRedirectURIAttacks(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.skill.RedirectURIs = append(slices.Clone(r.skill.RedirectURIs), "https://app.contoso.com/linked?from=alexa")
	})
	code, spa := alexa.RedirectURIs(vendorID)[0], alexa.RedirectURIs(vendorID)[1]
	attacks := map[string]string{
		"missing":                   "",
		"suffix":                    code + "x",
		"suffix path":               code + "/evil",
		"suffix slash":              code + "/",
		"suffix query":              code + "?x=1",
		"suffix parameter":          spa + "&next=https://evil.example",
		"empty query":               code + "?",
		"prefix":                    strings.TrimSuffix(code, "A"),
		"host only":                 "https://pitangui.amazon.com",
		"other vendor id":           alexa.RedirectURIs("M3BBBBBBBBBBBB")[0],
		"other vendor id in query":  alexa.RedirectURIs("M3BBBBBBBBBBBB")[1],
		"two vendor ids":            spa + "&vendorId=M3BBBBBBBBBBBB",
		"host in upper case":        strings.Replace(code, "pitangui", "PITANGUI", 1),
		"path in other case":        strings.Replace(code, "/api/", "/API/", 1),
		"scheme in upper case":      strings.Replace(code, "https", "HTTPS", 1),
		"plain http":                strings.Replace(code, "https", "http", 1),
		"port":                      strings.Replace(code, ".com/", ".com:443/", 1),
		"other port":                strings.Replace(code, ".com/", ".com:8443/", 1),
		"userinfo":                  strings.Replace(code, "https://", "https://user@", 1),
		"host as userinfo":          strings.Replace(code, ".com/", ".com@evil.example/", 1),
		"sibling host":              strings.Replace(code, "pitangui", "evil", 1),
		"longer host":               strings.Replace(code, ".com/", ".com.evil.example/", 1),
		"trailing dot":              strings.Replace(code, ".com/", ".com./", 1),
		"dot segments":              strings.Replace(code, "/api/", "/x/../api/", 1),
		"one dot":                   strings.Replace(code, "/api/", "/./api/", 1),
		"double slash":              strings.Replace(code, "/api/", "//api/", 1),
		"encoded slash":             strings.Replace(code, "/skill/", "%2Fskill/", 1),
		"encoded letter":            strings.Replace(code, "/skill/", "/%73kill/", 1),
		"backslash":                 strings.Replace(code, ".com/", ".com\\", 1),
		"fragment":                  code + "#x",
		"empty fragment":            code + "#",
		"space before":              " " + code,
		"space after":               code + " ",
		"line break":                code + "\r\nSet-Cookie: a=b",
		"null byte":                 code + "\x00",
		"look-alike letter":         strings.Replace(code, "amazon", "аmazon", 1), // the first a is Cyrillic
		"script":                    "javascript:alert(1)",
		"protocol-relative":         strings.TrimPrefix(code, "https:"),
		"configured without query":  "https://app.contoso.com/linked",
		"configured with more":      "https://app.contoso.com/linked?from=alexa&x=1",
		"wildcard":                  "https://pitangui.amazon.com/*",
		"another skill's of nobody": "https://evil.example/api/skill/link/" + vendorID,
	}
	if len(attacks) < 20 {
		t.Fatal("too few")
	}
	for name, uri := range attacks {
		t.Run(name, func(t *testing.T) {
			request := r.request()
			request.RedirectURI = uri
			r.wantShown(request.URL(), "This skill asked for a wrong address")
		})
	}
	t.Run("duplicate", func(t *testing.T) {
		r.wantShown(r.request().URL()+"&redirect_uri="+url.QueryEscape("https://evil.example/"), "This skill asked for a wrong address")
		r.wantShown(r.request().URL()+"&redirect_uri="+url.QueryEscape(r.request().RedirectURI), "This skill asked for a wrong address")
	})
	t.Run("the host is named", func(t *testing.T) {
		request := r.request()
		request.RedirectURI = strings.Replace(request.RedirectURI, vendorID, "M3BBBBBBBBBBBB", 1)
		page := r.open(simulator.NewPhone(), request.URL())
		r.wantPage(page, http.StatusBadRequest, "layla.amazon.com")
		if strings.Contains(page.Body, "M3BBBBBBBBBBBB") || strings.Contains(page.Body, request.State) {
			t.Error("more of the request than its host is on the page")
		}
	})
	for _, uri := range r.skill.RedirectURIs {
		request := r.request()
		request.RedirectURI = uri
		if page := r.open(simulator.NewPhone(), request.URL()); !strings.HasPrefix(page.URL.String(), r.provider.Issuer()) {
			t.Errorf("refused, though it is right: %s", uri)
		}
	}
}

// wantShown checks that an address leads to a page and nowhere else, and sets no cookie.
func (r *rig) wantShown(address, text string) {
	r.Helper()
	request := r.newRequest(http.MethodGet, strings.TrimPrefix(address, r.origin), nil)
	response, body := r.do(request)
	if response.StatusCode != http.StatusBadRequest || response.Header.Get("Location") != "" ||
		len(response.Cookies()) != 0 || !strings.Contains(body, text) {
		r.Errorf("status %d, header %v:\n%s", response.StatusCode, response.Header, body)
	}
}

func TestAuthorizationRequestFaults(t *testing.T) {
	r := newRig(t)
	unknown := "This skill is not known here"
	for name, change := range map[string]func(*simulator.Request){
		"unknown client":             func(q *simulator.Request) { q.ClientID = "burger" },
		"no client":                  func(q *simulator.Request) { q.ClientID = "" },
		"client in other case":       func(q *simulator.Request) { q.ClientID = "Pizza" },
		"client with a space":        func(q *simulator.Request) { q.ClientID = "pizza " },
		"script instead of a client": func(q *simulator.Request) { q.ClientID = "<script>alert(1)</script>" },
	} {
		t.Run(name, func(t *testing.T) {
			request := r.request()
			change(&request)
			r.wantShown(request.URL(), unknown)
		})
	}
	r.wantShown(r.request().URL()+"&client_id=pizza", unknown)
	r.wantShown(r.request().URL()+"&x=%zz", unknown)
	r.wantShown(r.origin+"/authorize", unknown)

	for name, tt := range map[string]struct {
		more, responseType, code string
		inQuery, noState         bool
	}{
		"response type missing":      {responseType: "", code: "invalid_request", inQuery: true},
		"response type unknown":      {responseType: "id_token", code: "unsupported_response_type", inQuery: true},
		"response type of two words": {responseType: "token id_token", code: "unsupported_response_type", inQuery: true},
		"code not granted":           {responseType: "code", code: "unauthorized_client", inQuery: true},
		"state repeated":             {responseType: "token", more: "&state=evil", code: "invalid_request", noState: true},
		"response type repeated":     {responseType: "token", more: "&response_type=token", code: "invalid_request", inQuery: true},
		"scope repeated":             {responseType: "token", more: "&scope=orders", code: "invalid_request"},
		"challenge repeated":         {responseType: "token", more: "&code_challenge=a&code_challenge=b", code: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			request := r.request()
			request.ResponseType = tt.responseType
			page := r.open(simulator.NewPhone(), request.URL()+tt.more)
			if tt.inQuery {
				request.ResponseType = "code" // is where the simulator looks
			} else {
				request.ResponseType = "token"
			}
			answer := r.answer(request, page)
			state := request.State
			if tt.noState {
				state = ""
			}
			if answer.Get("error") != tt.code || answer.Get("state") != state || answer.Has("access_token") {
				t.Errorf("answer %v", answer)
			}
			if tt.inQuery && (answer.Get("iss") != r.origin || answer.Get("vendorId") != vendorID) {
				t.Errorf("iss %q, and the query that was there is %q", answer.Get("iss"), answer.Get("vendorId"))
			}
			if !tt.inQuery && answer.Has("iss") {
				t.Error("iss is in a fragment")
			}
		})
	}
	phone := simulator.NewPhone() // unknown parameters are ignored, repeated or not
	page := r.open(phone, r.request().URL()+"&fbclid=1&fbclid=2&user_locale=de&code_challenge=abc")
	r.wantPage(page, http.StatusOK, "Sign in to Contoso")
}

// The attacker begins a sign-in and lets somebody else's browser finish it, so that that person's account would be linked
// to the attacker's speaker, or the attacker's account to theirs.
func TestForeignBrowser(t *testing.T) {
	r := newRig(t)
	attacker, victim := simulator.NewPhone(), simulator.NewPhone()
	callback := r.atCallback(attacker, r.request())
	noCookie := "Please start again in the Alexa app"

	r.wantPage(r.open(victim, callback), http.StatusBadRequest, noCookie)
	r.open(victim, r.request().URL()) // has a flow of its own now
	r.wantPage(r.open(victim, callback), http.StatusBadRequest, noCookie)
	if n := r.provider.Requests(tokenEndpoint); n != 0 {
		t.Fatalf("the code was sent %d times", n)
	}
	r.wantMetric("bridge_callbacks_without_cookie_total 2")

	consent := r.open(attacker, callback)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	r.wantPage(r.decide(victim, consent, "link"), http.StatusBadRequest, noCookie)
	r.wantLinks(0)
}

func TestCallbackWithBadState(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	callback := mustParse(r.atCallback(phone, r.request()))
	change := func(change func(url.Values)) string {
		query := callback.Query()
		change(query)
		return r.origin + callback.Path + "?" + query.Encode()
	}
	state := callback.Query().Get("state")
	attacks := map[string]string{
		"no state":         change(func(q url.Values) { q.Del("state") }),
		"empty state":      change(func(q url.Values) { q.Set("state", "") }),
		"cut state":        change(func(q url.Values) { q.Set("state", state[:16]) }),
		"longer state":     change(func(q url.Values) { q.Set("state", state+"x") }),
		"last letter":      change(func(q url.Values) { q.Set("state", state[:42]+flipLetter(state[42:])) }),
		"repeated state":   change(func(q url.Values) { q["state"] = []string{state, state} }),
		"repeated code":    change(func(q url.Values) { q["code"] = []string{"a", "b"} }),
		"unknown provider": strings.Replace(callback.String(), "/callback/corp", "/callback/other", 1),
		"broken query":     callback.String() + "&%zz",
		"nothing":          r.origin + callback.Path,
	}
	for name, address := range attacks {
		t.Run(name, func(t *testing.T) {
			r.wantPage(r.open(phone, address), http.StatusBadRequest, "Please start again in the Alexa app")
		})
	}
	if n := r.provider.Requests(tokenEndpoint); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}
	r.wantPage(r.open(phone, callback.String()), http.StatusOK, "Ada Lovelace") // nothing was spoilt
}

func flipLetter(text string) string {
	if text == "A" {
		return "Q"
	}
	return "A"
}

func TestGetRoutesThatActRefuseHeadAndPrefetch(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	callback := strings.TrimPrefix(r.atCallback(phone, r.request()), r.origin)
	authorize := strings.TrimPrefix(r.request().URL(), r.origin)
	for _, path := range []string{authorize, callback} {
		for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPut} {
			response, _ := r.do(r.withCookies(phone, r.newRequest(method, path, nil)))
			if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET" || len(response.Cookies()) != 0 {
				t.Errorf("%s %.12s: status %d, %v", method, path, response.StatusCode, response.Header)
			}
		}
		for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch"} {
			request := r.withCookies(phone, r.newRequest(http.MethodGet, path, nil))
			request.Header.Set(name, value)
			response, _ := r.do(request)
			if response.StatusCode != http.StatusForbidden || len(response.Cookies()) != 0 {
				t.Errorf("%s with %s: status %d", path[:12], name, response.StatusCode)
			}
		}
	}
	if n := r.provider.Requests(tokenEndpoint); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}
	r.wantPage(r.open(phone, r.origin+callback), http.StatusOK, "Ada Lovelace")
}

func TestConsentForgeries(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	consent := r.signIn(phone, r.request(), ada)
	other := simulator.NewPhone()
	otherConsent := r.signIn(other, r.request(), ada)
	right := func(p *simulator.Page) *http.Request {
		request, err := p.FormRequest(url.Values{"decision": {"link"}})
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	otherForm := right(otherConsent).Form
	tests := []struct {
		name   string
		status int
		change func(*http.Request) *http.Request
	}{
		{"a sibling subdomain", 403, header("Sec-Fetch-Site", "same-site")},
		{"another site", 403, header("Sec-Fetch-Site", "cross-site")},
		{"typed in", 403, header("Sec-Fetch-Site", "none")},
		{"a sibling's origin", 403, header("Origin", "https://evil.contoso.com")},
		{"our origin with another scheme", 403, header("Origin", strings.Replace(r.origin, "http", "https", 1))},
		{"our origin on another port", 403, header("Origin", "http://127.0.0.1:1")},
		{"no token", 400, form(right(consent), "token")},
		{"another flow's token", 400, form(right(consent), "token", otherForm.Get("token"))},
		{"another flow's id", 400, form(right(consent), "flow", otherForm.Get("flow"))},
		{"a repeated token", 400, form(right(consent), "token", right(consent).Form.Get("token"), "x")},
		{"a repeated decision", 400, form(right(consent), "decision", "cancel", "link")},
		{"no decision", 400, form(right(consent), "decision")},
		{"another decision", 400, form(right(consent), "decision", "LINK")},
		{"no flow", 400, form(right(consent), "flow")},
		{"all in the URL", 400, func(request *http.Request) *http.Request {
			return r.newRequest(http.MethodPost, "/consent?"+right(consent).Form.Encode(), url.Values{"x": {"y"}})
		}},
		{"JSON", 415, func(request *http.Request) *http.Request {
			request.Header.Set("Content-Type", "application/json")
			return request
		}},
		{"text", 415, header("Content-Type", "text/plain")},
		{"much too long", 413, form(right(consent), "x", strings.Repeat("x", 9000))},
		{"broken escapes", 400, func(*http.Request) *http.Request {
			request := r.newRequest(http.MethodPost, "/consent", url.Values{})
			request.Body = http.NoBody
			broken, _ := http.NewRequest(http.MethodPost, request.URL.String(), strings.NewReader("flow=%zz"))
			broken.Header = request.Header
			return broken
		}},
		{"GET", 405, func(*http.Request) *http.Request {
			return r.newRequest(http.MethodGet, "/consent?"+right(consent).Form.Encode(), nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			response, body := r.do(r.withCookies(phone, tt.change(right(consent))))
			if response.StatusCode != tt.status || response.Header.Get("Location") != "" {
				t.Errorf("status %d, want %d; header %v\n%s", response.StatusCode, tt.status, response.Header, body)
			}
		})
	}
	r.wantLinks(0)

	// What is in the URL counts for nothing, also beside a good form.
	smuggled := r.withCookies(phone, right(consent))
	smuggled.URL.RawQuery = "decision=cancel&token=x&flow=y"
	smuggled.Header.Set("Origin", "null")
	response, _ := r.do(smuggled)
	if !strings.Contains(response.Header.Get("Location"), "#state=") {
		t.Errorf("status %d, header %v", response.StatusCode, response.Header)
	}
	r.wantLinks(1)
}

func header(name, value string) func(*http.Request) *http.Request {
	return func(request *http.Request) *http.Request {
		request.Header.Set(name, value)
		return request
	}
}

// form replaces one field of a form.
func form(from *http.Request, name string, values ...string) func(*http.Request) *http.Request {
	return func(request *http.Request) *http.Request {
		fields := url.Values{}
		for field, value := range from.Form {
			fields[field] = value
		}
		fields[name] = values
		changed, err := http.NewRequest(http.MethodPost, request.URL.String(), strings.NewReader(fields.Encode()))
		if err != nil {
			panic(err)
		}
		changed.Header = request.Header
		return changed
	}
}

// A cookie that was sealed for another purpose, or for another flow, opens nothing, even when it says the right thing.
func TestForeignCookies(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	consent := r.signIn(phone, r.request(), ada)
	cookies := phone.Client.Jar.Cookies(mustParse(r.origin))
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	values := map[any]any{}
	codec := func(purpose string) *securecookie.SecureCookie {
		key := r.config.Keys.Derive(purpose, 64)[0]
		return securecookie.New(key[:32], key[32:])
	}
	if err := codec("cookie: pending login").Decode(cookies[0].Name, cookies[0].Value, &values); err != nil {
		t.Fatalf("this test does not know how cookies are sealed: %v", err)
	}
	seal := func(purpose, name string) string {
		sealed, err := codec(purpose).Encode(name, values)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	for name, value := range map[string]string{
		"for the page of links": seal("cookie: links", cookies[0].Name),
		"for another name":      seal("cookie: pending login", "login-AAAAAAAAAAAAAAAA"),
		"not sealed":            "e30",
		"empty":                 "",
	} {
		request, err := consent.FormRequest(url.Values{"decision": {"link"}})
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: value})
		if response, _ := r.do(request); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, response.StatusCode)
		}
	}
	r.wantLinks(0)
}
