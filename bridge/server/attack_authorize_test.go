//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// redirectAttacks ask for the answer at another address than the skill's.
func redirectAttacks(b *testBridge) []attack {
	own := b.Request().RedirectURI
	at := func(old, replacement string) string { return strings.Replace(own, old, replacement, 1) }
	var list []attack
	for _, uri := range []string{
		"", "https://evil.example/", "//evil.example/", "/callback", "javascript:alert(1)", "data:text/html,x", "https:",
		"https://",
		own + "/", own + "?", own + "#", own + "#x", own + "&x=y", own + "?x=y", own + "%00", own + "\n", own + " ",
		" " + own, own + "\t",
		own + "/../x", own + "/%2e%2e/x", own + "//", at("https://", "http://"), at("https://", "HTTPS://"),
		at("https://", "https:/"),
		at("https://", "https:///"), at("https://", `https:\\`), at("https://", "https://evil.example@"),
		at("https://", "https://evil.example:80@"),
		at("https://", "https://user@"), at("https://", "https://evil.example/?"), at("https://", "https://evil.example/#"),
		at("https://", `https://evil.example\@`), at(".amazon.com", ".amazon.com.evil.example"),
		at(".amazon.com", ".amazon.com:443"),
		at(".amazon.com", ".amazon.com."), at(".amazon.com", ".amazon.com%2eevil.example"), at(".amazon.com", ".аmazon.com"),
		at("layla", "LAYLA"), at("layla", "evil.layla"), at(testbridge.VendorID, "M3BBBBBBBBBBBB"),
		at(testbridge.VendorID, strings.ToLower(testbridge.VendorID)), at(testbridge.VendorID, testbridge.VendorID+"A"),
		at(testbridge.VendorID, ""),
		at("https://", "ｈttps://"), own + "," + own, own + " " + own, url.QueryEscape(own),
	} {
		list = append(list, attack{"redirect URI", fmt.Sprintf("%.60q", uri), func(v *target) string {
			request := v.Request()
			request.RedirectURI = uri
			return v.refused(v.NewRequest("GET", request.URL(), nil))
		}})
	}
	return append(list, attack{"redirect URI", "repeated, the second evil", func(v *target) string {
		return v.refused(v.NewRequest("GET", v.Request().URL()+"&redirect_uri=https%3A%2F%2Fevil.example", nil))
	}}, attack{"redirect URI", "repeated, the first evil", func(v *target) string {
		return v.refused(v.NewRequest("GET",
			strings.Replace(v.Request().URL(), "?", "?redirect_uri=https%3A%2F%2Fevil.example&", 1), nil))
	}})
}

// requestAttacks change other parameters of an authorization request. None may lead to the provider, nor away from
// Alexa.
func requestAttacks() []attack {
	toAlexa := func(v *target, request *http.Request) string {
		response, body := v.Do(request)
		location := response.Header.Get("Location")
		isError := strings.HasPrefix(location, v.Request().RedirectURI) && strings.Contains(location, "error=")
		if response.StatusCode < 400 && !isError || strings.Contains(location, "access_token") ||
			strings.ContainsAny(location, "\r\n") {
			return fmt.Sprintf("status %d, Location %q, %.200s", response.StatusCode, location, body)
		}
		return ""
	}
	var list []attack
	for _, more := range []string{
		"&state=other", "&response_type=code", "&scope=orders", "&client_id=lights", "&code_challenge=a&code_challenge=b",
		"&x=%zz", "&state=%0d%0aSet-Cookie:x=y&state=z", ";client_id=lights&client_id=pizza",
	} {
		list = append(list, attack{"authorization request", "with " + more, func(v *target) string {
			return toAlexa(v, v.NewRequest("GET", v.Request().URL()+more, nil))
		}})
	}
	for name, change := range map[string]func(*simulator.Request){
		"client of another case":    func(r *simulator.Request) { r.ClientID = "PIZZA" },
		"a backend as client":       func(r *simulator.Request) { r.ClientID = testbridge.BackendID },
		"client with NUL":           func(r *simulator.Request) { r.ClientID = "pizza\x00" },
		"client as path":            func(r *simulator.Request) { r.ClientID = "../pizza" },
		"response type id_token":    func(r *simulator.Request) { r.ResponseType = "id_token" },
		"response type none":        func(r *simulator.Request) { r.ResponseType = "none" },
		"response type code token":  func(r *simulator.Request) { r.ResponseType = "code token" },
		"response type token token": func(r *simulator.Request) { r.ResponseType = "token token" },
		"response type TOKEN":       func(r *simulator.Request) { r.ResponseType = "TOKEN" },
		"a state of 1 MB":           func(r *simulator.Request) { r.State = strings.Repeat("s", 20_000) },
	} {
		list = append(list, attack{"authorization request", name, func(v *target) string {
			request := v.Request()
			change(&request)
			return toAlexa(v, v.NewRequest("GET", request.URL(), nil))
		}})
	}
	for _, more := range []string{"plain", "s256", "none", ""} {
		list = append(list, attack{"authorization request", "PKCE method " + more, func(v *target) string {
			return toAlexa(v, v.NewRequest("GET",
				v.CodeRequest().URL()+"&code_challenge="+pkceChallenge(pkceVerifier)+"&code_challenge_method="+more, nil))
		}})
	}
	return append(list, attack{"authorization request", "grant that the skill has not", func(v *target) string {
		request := v.Request()
		request.ClientID = "lights"
		return toAlexa(v, v.NewRequest("GET", request.URL(), nil))
	}})
}

// callbackAttacks bring something else to the callback than the provider sent, or from another browser.
func callbackAttacks() []attack {
	changed := func(change func(query url.Values)) func(*target) string {
		return func(v *target) string {
			phone := simulator.NewPhone()
			callback := mustParse(v.CallbackURL(phone, v.Request()))
			query := callback.Query()
			change(query)
			return v.refused(withCookies(phone, v.NewRequest("GET", callback.Path+"?"+query.Encode(), nil)))
		}
	}
	// a page that says that something is set up wrongly
	fault := func(change func(query url.Values)) func(*target) string {
		return func(v *target) string {
			phone := simulator.NewPhone()
			callback := mustParse(v.CallbackURL(phone, v.Request()))
			query := callback.Query()
			change(query)
			page := v.Open(phone, v.Origin+callback.Path+"?"+query.Encode())
			if page.Arrived || page.Status != http.StatusInternalServerError ||
				!strings.Contains(page.Body, "not set up correctly") {
				return fmt.Sprintf("status %d at %s", page.Status, page.URL.Path)
			}
			return ""
		}
	}
	elsewhere := func(change func(callback string) string) func(*target) string {
		return func(v *target) string {
			phone := simulator.NewPhone()
			callback := v.CallbackURL(phone, v.Request())
			return v.refused(withCookies(phone, v.NewRequest("GET", change(callback), nil)))
		}
	}
	return []attack{
		{"callback", "another browser", func(v *target) string {
			return v.refused(v.NewRequest("GET", v.CallbackURL(simulator.NewPhone(), v.Request()), nil))
		}},
		{"callback", "another browser with a flow", func(v *target) string {
			victim := simulator.NewPhone()
			v.Open(victim, v.Request().URL())
			return v.refused(withCookies(victim, v.NewRequest("GET", v.CallbackURL(simulator.NewPhone(), v.Request()), nil)))
		}},
		{"callback", "the code of another browser", func(v *target) string {
			attacker, victim := simulator.NewPhone(), simulator.NewPhone()
			stolen := mustParse(v.CallbackURL(attacker, v.Request())).Query().Get("code")
			own := mustParse(v.CallbackURL(victim, v.Request()))
			query := own.Query()
			query.Set("code", stolen)
			return v.refused(withCookies(victim, v.NewRequest("GET", own.Path+"?"+query.Encode(), nil)))
		}},
		{"callback", "after the decision", func(v *target) string {
			phone, page := v.consentOf()
			v.Decide(phone, page, "cancel")
			return v.refused(withCookies(phone, v.NewRequest("GET", page.URL.String(), nil)))
		}},
		{"callback", "eleven minutes later", func(v *target) string {
			phone := simulator.NewPhone()
			callback := v.CallbackURL(phone, v.Request())
			v.Clock.Advance(11 * time.Minute)
			return v.refused(withCookies(phone, v.NewRequest("GET", callback, nil)))
		}},
		{"callback", "no state", changed(func(q url.Values) { q.Del("state") })},
		{"callback", "empty state", changed(func(q url.Values) { q.Set("state", "") })},
		{"callback", "state cut", changed(func(q url.Values) { q.Set("state", q.Get("state")[:16]) })},
		{"callback", "state longer", changed(func(q url.Values) { q.Set("state", q.Get("state")+"x") })},
		{"callback", "state repeated", changed(func(q url.Values) { q.Add("state", q.Get("state")) })},
		{"callback", "code repeated", changed(func(q url.Values) { q.Add("code", "x") })},
		{"callback", "code and error", changed(func(q url.Values) { q.Set("error", "invalid_grant") })},
		{"callback", "iss of another", fault(func(q url.Values) { q.Set("iss", "https://evil.example") })},
		{"callback", "iss repeated", changed(func(q url.Values) { q["iss"] = []string{"a", "b"} })},
		{"callback", "invented code", changed(func(q url.Values) { q.Set("code", "invented-code") })},
		{"callback", "our own code", changed(func(q url.Values) { q.Set("code", bridge.NewRandomToken(bridge.CodeKind)) })},
		{"callback", "no code", fault(func(q url.Values) { q.Del("code") })},
		{"callback", "another provider",
			elsewhere(func(c string) string { return strings.Replace(c, "/corp", "/other", 1) })},
		{"callback", "no provider", elsewhere(func(c string) string { return strings.Replace(c, "/corp", "/", 1) })},
		{"callback", "a path below", elsewhere(func(c string) string { return strings.Replace(c, "/corp", "/corp/x", 1) })},
		{"callback", "an escaped path",
			elsewhere(func(c string) string { return strings.Replace(c, "/corp", "/%63orp", 1) })},
	}
}

// accountAttacks sign in with accounts that allow does not admit.
func accountAttacks() []attack {
	allow := bridge.Allow{EmailDomains: []string{"contoso.com"}, Groups: []string{"alexa-users"}}
	var list []attack
	for name, change := range map[string]func(*upstreamtest.Person){
		"unverified":              func(p *upstreamtest.Person) { p.EmailVerified = false },
		"another domain":          func(p *upstreamtest.Person) { p.Email = "ada@evil.example" },
		"a subdomain":             func(p *upstreamtest.Person) { p.Email = "ada@contoso.com.evil.example" },
		"a longer domain":         func(p *upstreamtest.Person) { p.Email = "ada@evilcontoso.com" },
		"two at signs":            func(p *upstreamtest.Person) { p.Email = "ada@contoso.com@evil.example" },
		"two at signs, reversed":  func(p *upstreamtest.Person) { p.Email = "ada@evil.example@contoso.com" },
		"a quoted local part":     func(p *upstreamtest.Person) { p.Email = `"ada@contoso.com"@evil.example` },
		"a display name":          func(p *upstreamtest.Person) { p.Email = "ada@contoso.com <ada@evil.example>" },
		"a look-alike letter":     func(p *upstreamtest.Person) { p.Email = "ada@cоntoso.com" },
		"a dot at the end":        func(p *upstreamtest.Person) { p.Email = "ada@contoso.com." },
		"a line break":            func(p *upstreamtest.Person) { p.Email = "ada@evil.example\n@contoso.com" },
		"no e-mail":               func(p *upstreamtest.Person) { p.Email = "" },
		"no groups":               func(p *upstreamtest.Person) { p.Groups = nil },
		"a group in another case": func(p *upstreamtest.Person) { p.Groups = []string{"Alexa-Users"} },
		"a group with a space":    func(p *upstreamtest.Person) { p.Groups = []string{"alexa-users "} },
		"groups joined":           func(p *upstreamtest.Person) { p.Groups = []string{"x,alexa-users"} },
	} {
		list = append(list, attack{"account", name, func(v *target) string {
			skill := *v.Skill
			defer func() {
				*v.Skill = skill
				v.Provider.SetPerson(testbridge.Ada())
				v.Restart()
			}()
			withAda(allow, change)(v.testBridge)
			v.Restart()
			phone := simulator.NewPhone()
			page := v.SignIn(phone, v.Request(), testbridge.Ada())
			if page.Arrived || page.Status != http.StatusForbidden {
				return fmt.Sprintf("status %d at %s", page.Status, page.URL.Path)
			}
			if linked := v.Decide(phone, page, "link"); linked.Arrived {
				return "link was taken after the refusal"
			}
			return ""
		}})
	}
	return list
}
