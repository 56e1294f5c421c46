//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// cookieAttacks change the sealed cookie of a flow.
func cookieAttacks() []attack {
	changed := func(change func(*http.Cookie)) func(*target) string {
		return func(v *target) string {
			phone := simulator.NewPhone()
			request := v.NewRequest("GET", v.CallbackURL(phone, v.Request()), nil)
			for _, cookie := range phone.Client.Jar.Cookies(mustParse(v.Origin)) {
				change(cookie)
				request.AddCookie(cookie)
			}
			return v.refused(request)
		}
	}
	value := func(change func(string) string) func(*target) string {
		return changed(func(cookie *http.Cookie) { cookie.Value = change(cookie.Value) })
	}
	list := []attack{
		{"cookie", "another name", changed(func(c *http.Cookie) { c.Name = "login-AAAAAAAAAAAAAAAA" })},
		{"cookie", "the prefix of a secure site", changed(func(c *http.Cookie) { c.Name = "__Host-" + c.Name })},
		{"cookie", "empty", value(func(string) string { return "" })},
		{"cookie", "cut", value(func(text string) string { return text[:len(text)-1] })},
		{"cookie", "longer", value(func(text string) string { return text + "A" })},
		{"cookie", "twice", value(func(text string) string { return text + text })},
		{"cookie", "another's plain content", value(func(string) string { return "eyJzdGF0ZSI6IngifQ" })},
		{"cookie", "signed by nobody", value(func(text string) string { return strings.Repeat("A", len(text)) })},
	}
	for _, part := range []int{1, 3, 5, 7, 9} { // of ten
		list = append(list, attack{"cookie", fmt.Sprintf("changed at %d tenths", part), value(func(text string) string {
			at := len(text) * part / 10
			letter := byte('A')
			if text[at] == 'A' {
				letter = 'B'
			}
			return text[:at] + string(letter) + text[at+1:]
		})})
	}
	return list
}

// forger returns an attack that sends a form of the victim's own browser, with a change.
type forger func(change func(v *target, request *http.Request, form url.Values)) func(*target) string

// forgery returns a forger of the form of a path, which a function fills in as the person would.
func forgery(path string, fill func(*target) (*simulator.Phone, url.Values)) forger {
	return func(change func(v *target, request *http.Request, form url.Values)) func(*target) string {
		return func(v *target) string {
			phone, form := fill(v)
			request := withCookies(phone, v.NewRequest("POST", path, form))
			change(v, request, form)
			request.Body = v.NewRequest("POST", path, form).Body
			request.ContentLength = int64(len(form.Encode()))
			return v.refused(request)
		}
	}
}

func (f forger) set(name, value string) func(*target) string {
	return f(func(_ *target, _ *http.Request, form url.Values) { form.Set(name, value) })
}

func (f forger) header(name, value string) func(*target) string {
	return f(func(_ *target, request *http.Request, _ url.Values) { request.Header.Set(name, value) })
}

// consentAttacks forge or repeat a decision.
func consentAttacks() []attack {
	forged := forgery("/consent", func(v *target) (*simulator.Phone, url.Values) {
		phone, page := v.consentOf()
		right, err := page.FormRequest(url.Values{"decision": {"link"}})
		if err != nil {
			v.Fatal(err)
		}
		return phone, right.Form
	})
	set, header := forged.set, forged.header
	return []attack{
		{"consent", "no cookie", forged(func(_ *target, r *http.Request, _ url.Values) { r.Header.Del("Cookie") })},
		{"consent", "another browser's cookie", forged(func(v *target, r *http.Request, _ url.Values) {
			r.Header.Del("Cookie")
			phone, _ := v.consentOf()
			withCookies(phone, r)
		})},
		{"consent", "no token", set("token", "")},
		{"consent", "wrong token", set("token", strings.Repeat("A", 43))},
		{"consent", "the token of another flow", forged(func(v *target, _ *http.Request, form url.Values) {
			_, page := v.consentOf()
			other, _ := page.FormRequest(nil)
			form.Set("token", other.Form.Get("token"))
		})},
		{"consent", "the flow of another", forged(func(v *target, _ *http.Request, form url.Values) {
			_, page := v.consentOf()
			other, _ := page.FormRequest(nil)
			form.Set("flow", other.Form.Get("flow"))
		})},
		{"consent", "no flow", set("flow", "")},
		{"consent", "a flow with a path", set("flow", "../../x")},
		{"consent", "no decision", set("decision", "")},
		{"consent", "unknown decision", set("decision", "test")},
		{"consent", "decision in another case", set("decision", "LINK")},
		{"consent", "two decisions",
			forged(func(_ *target, _ *http.Request, form url.Values) { form.Add("decision", "cancel") })},
		{"consent", "two tokens", forged(func(_ *target, _ *http.Request, form url.Values) { form.Add("token", "x") })},
		{"consent", "another site", header("Sec-Fetch-Site", "cross-site")},
		{"consent", "a sibling site", header("Sec-Fetch-Site", "same-site")},
		{"consent", "another origin", header("Origin", "https://evil.example")},
		{"consent", "another port", header("Origin", "http://127.0.0.1:1")},
		{"consent", "JSON", header("Content-Type", "application/json")},
		{"consent", "plain text", header("Content-Type", "text/plain")},
		{"consent", "multipart", header("Content-Type", "multipart/form-data; boundary=x")},
		{"consent", "in the URL", forged(func(_ *target, r *http.Request, form url.Values) {
			r.URL.RawQuery = form.Encode()
			clear(form)
		})},
		{"consent", "after cancelling", func(v *target) string {
			phone, page := v.consentOf()
			v.Decide(phone, page, "cancel")
			if linked := v.Decide(phone, page, "link"); linked.Arrived {
				return "a link after cancelling"
			}
			return ""
		}},
		{"consent", "eleven minutes later", func(v *target) string {
			phone, page := v.consentOf()
			v.Clock.Advance(11 * time.Minute)
			if linked := v.Decide(phone, page, "link"); linked.Arrived {
				return "a link"
			}
			return ""
		}},
	}
}

// pathAttacks ask for what is not served, or in a way that a proxy in front would read otherwise.
func pathAttacks() []attack {
	var list []attack
	for _, path := range []string{
		"/metrics", "/healthz", "/readyz", "/debug/pprof/", "/api/links", "/config.yaml", "/.git/config",
		"/%2e%2e/etc/passwd",
		"//authorize", "/./authorize", "/x/../authorize", "/authorize/", "/AUTHORIZE", "/%61uthorize", "/authorize%00",
		"/authorize;x",
		"/lookup/", "/token%2f", "/callback/", "/callback/corp/../corp", "/try/", "/try/../metrics", "/consent/x",
		"/.well-known/",
		"/.well-known/openid-configuration", "/links%2e", "/userinfo/../metrics",
	} {
		list = append(list, attack{"path", path, func(v *target) string {
			return v.refused(v.NewRequest("GET", path, nil))
		}})
	}
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"} {
		list = append(list, attack{"path", method + " /authorize", func(v *target) string {
			request := httptest.NewRequest("GET", v.Request().URL(), nil)
			request.Method = method
			if response := v.direct(request); response.Code < 400 || len(response.Result().Cookies()) > 0 {
				return fmt.Sprintf("status %d, %v", response.Code, response.Header())
			}
			return ""
		}})
	}
	for _, name := range []string{"Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL",
		"X-HTTP-Method-Override"} {
		list = append(list, attack{"path", "header " + name, func(v *target) string {
			request := v.NewRequest("GET", "/.well-known/oauth-authorization-server", nil)
			request.Header.Set(name, "evil.example")
			request.Host = "evil.example"
			if _, body := v.Do(request); strings.Contains(body, "evil.example") {
				return body
			}
			return ""
		}})
	}
	return list
}

// pageAttacks try to put text of theirs on a page of ours, or to embed it.
func pageAttacks() []attack {
	const script = `<script>alert(1)</script>`
	clean := func(page *simulator.Page) string {
		policy := page.Header.Get("Content-Security-Policy")
		switch {
		case strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "555-0100"):
			return page.Body
		case !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'"):
			return "policy " + policy
		}
		return ""
	}
	opened := func(change func(*simulator.Request)) func(*target) string {
		return func(v *target) string {
			request := v.Request()
			change(&request)
			return clean(v.Open(simulator.NewPhone(), request.URL()))
		}
	}
	named := func(change func(*upstreamtest.Person)) func(*target) string {
		return func(v *target) string {
			ada := testbridge.Ada()
			change(&ada)
			v.Provider.SetPerson(ada)
			defer v.Provider.SetPerson(testbridge.Ada())
			return clean(v.SignIn(simulator.NewPhone(), v.Request(), ada))
		}
	}
	return []attack{
		{"page", "script as client", opened(func(r *simulator.Request) { r.ClientID = script })},
		{"page", "text as client", opened(func(r *simulator.Request) { r.ClientID = "call 555-0100 to win" })},
		{"page", "script as redirect host", opened(func(r *simulator.Request) { r.RedirectURI = "https://" + script + "/" })},
		{"page", "text as redirect host", opened(func(r *simulator.Request) { r.RedirectURI = "https://call 555-0100/" })},
		{"page", "script in the path", func(v *target) string {
			return clean(v.Open(simulator.NewPhone(), v.Origin+"/"+url.PathEscape(script)))
		}},
		{"page", "the provider's error description", func(v *target) string {
			phone := simulator.NewPhone()
			callback := mustParse(v.CallbackURL(phone, v.Request()))
			query := url.Values{"state": callback.Query()["state"], "error": {"server_error"},
				"error_description": {"call 555-0100 " + script}}
			return clean(v.Open(phone, v.Origin+callback.Path+"?"+query.Encode()))
		}},
		{"page", "the provider's error", func(v *target) string {
			phone := simulator.NewPhone()
			callback := mustParse(v.CallbackURL(phone, v.Request()))
			query := url.Values{"state": callback.Query()["state"], "error": {"call 555-0100 " + script}}
			return clean(v.Open(phone, v.Origin+callback.Path+"?"+query.Encode()))
		}},
		{"page", "script as name", named(func(p *upstreamtest.Person) { p.GivenName = script })},
		{"page", "script as e-mail address", named(func(p *upstreamtest.Person) { p.Email = script + "@contoso.com" })},
		{"page", "script as group", named(func(p *upstreamtest.Person) { p.Groups = []string{script} })},
	}
}
