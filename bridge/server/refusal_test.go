package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

func TestAllow(t *testing.T) {
	tests := []struct {
		name    string
		allow   bridge.Allow
		change  func(*upstreamtest.Person)
		refused bridge.Reason // empty: may link
	}{
		{"everyone", bridge.Allow{}, nil, ""},
		{"right domain", bridge.Allow{EmailDomains: []string{"fabrikam.com", "contoso.com"}}, nil, ""},
		{"domain in other case", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "Ada@Contoso.COM" }, ""},
		{"other domain", bridge.Allow{EmailDomains: []string{"fabrikam.com"}}, nil, bridge.ReasonEmailDomain},
		{"not verified", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.EmailVerified = false }, bridge.ReasonEmailUnverified},
		{"not verified but trusted", bridge.Allow{EmailDomains: []string{"contoso.com"}, EmailTrusted: true},
			func(p *upstreamtest.Person) { p.EmailVerified = false }, ""},
		{"two at signs", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "ada@contoso.com@evil.example" }, bridge.ReasonEmailDomain},
		{"two at signs the other way", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "ada@evil.example@contoso.com" }, bridge.ReasonEmailDomain},
		{"subdomain", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "ada@evil.contoso.com" }, bridge.ReasonEmailDomain},
		{"trailing dot", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "ada@contoso.com." }, bridge.ReasonEmailDomain},
		{"look-alike letter", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "ada@cоntoso.com" }, bridge.ReasonEmailDomain}, // a Cyrillic o
		{"no e-mail", bridge.Allow{EmailDomains: []string{"contoso.com"}},
			func(p *upstreamtest.Person) { p.Email = "" }, bridge.ReasonEmailMissing},
		{"in a group", bridge.Allow{Groups: []string{"admins", "engineering"}}, nil, ""},
		{"in no group", bridge.Allow{Groups: []string{"admins"}}, nil, bridge.ReasonGroups},
		{"without groups", bridge.Allow{Groups: []string{"admins"}},
			func(p *upstreamtest.Person) { p.Groups = nil }, bridge.ReasonGroups},
		{"a claim", bridge.Allow{Claims: []bridge.ClaimRule{{Name: "hd", AnyOf: []string{"contoso.com"}}}},
			func(p *upstreamtest.Person) { p.Claims = map[string]any{"hd": "contoso.com"} }, ""},
		{"another claim", bridge.Allow{Claims: []bridge.ClaimRule{{Name: "hd", AnyOf: []string{"contoso.com"}}}},
			func(p *upstreamtest.Person) { p.Claims = map[string]any{"hd": "evil.example"} }, bridge.ReasonClaim},
		{"an address that is not verified, by a claim", bridge.Allow{Claims: []bridge.ClaimRule{{Name: "email", AnyOf: []string{"ada@contoso.com"}}}},
			func(p *upstreamtest.Person) { p.EmailVerified = false }, bridge.ReasonEmailUnverified},
		{"a verified address, by a claim", bridge.Allow{Claims: []bridge.ClaimRule{{Name: "email", AnyOf: []string{"ada@contoso.com"}}}}, nil, ""},
		{"one of two rules", bridge.Allow{EmailDomains: []string{"contoso.com"}, Groups: []string{"admins"}}, nil, bridge.ReasonGroups},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.skill.Allow = tt.allow })
			person := ada
			if tt.change != nil {
				tt.change(&person)
				r.provider.SetPerson(person)
			}
			phone := simulator.NewPhone()
			request := r.request()
			page := r.signIn(phone, request, person)
			if tt.refused == "" {
				r.wantActive(r.wantToken(request, r.decide(phone, page, "link")))
				return
			}
			r.wantError(request, page, "access_denied")
			r.wantLinks(0)
			r.wantMetric(`bridge_links_refused_total{client_id="pizza",reason="` + string(tt.refused) + `"} 1`)
			r.wantLogged(map[string]any{"msg": "not linked", "reason": string(tt.refused)})
		})
	}
}

// A link is honoured only as long as the configuration admits it, and is again when that is edited back.
func TestChangedConfigurationSuspends(t *testing.T) {
	r := newRig(t, func(r *rig) { r.skill.Allow.Groups = []string{"engineering"} })
	token := r.link(simulator.NewPhone(), ada)
	was := *r.skill
	for name, change := range map[string]func(){
		"another group":    func() { r.skill.Allow.Groups = []string{"admins"} },
		"a domain besides": func() { r.skill.Allow.EmailDomains = []string{"fabrikam.com"} },
		"another provider": func() {
			r.skill.Provider = "other"
			other := r.config.Providers[0]
			other.ID = "other"
			r.config.Providers = append(r.config.Providers[:1:1], other)
		},
		"another subject claim": func() { r.config.Providers[0].SubjectClaim = "oid" },
		"another groups claim":  func() { r.config.Providers[0].GroupsClaim = []string{"roles"} },
		"another issuer":        func() { r.config.Providers[0].Issuer = "https://other.example.com" },
		"no skill":              func() { r.skill.ClientID = "gone" },
	} {
		config, provider := r.config, r.config.Providers[0]
		change()
		r.restart()
		if answer := r.lookup(token); answer.Active {
			t.Errorf("%s: still active", name)
		}
		*r.skill, r.config, r.config.Providers[0] = was, config, provider
		r.restart()
		r.wantActive(token)
	}
}

func TestProviderRefuses(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	login := r.open(phone, request.URL())
	arrived := r.submit(phone, login, url.Values{"action": {"cancel"}})
	r.wantError(request, arrived, "access_denied")
	if description := r.answer(request, arrived).Get("error_description"); strings.Contains(description, "person cancelled") {
		t.Errorf("the provider's text is passed on as ours: %s", description)
	}
	if !strings.Contains(r.log.String(), "the person cancelled") {
		t.Error("the provider's text is not in the log")
	}
}

func TestProviderErrorsAtTheCallback(t *testing.T) {
	r := newRig(t)
	for code, want := range map[string]struct {
		status int
		text   string
	}{
		"temporarily_unavailable": {http.StatusServiceUnavailable, "sign‑in does not answer"},
		"server_error":            {http.StatusServiceUnavailable, "sign‑in does not answer"},
		"disallowed_useragent":    {http.StatusForbidden, "Please open this in your browser"},
	} {
		phone := simulator.NewPhone()
		request := r.request()
		callback := mustParse(r.atCallback(phone, request))
		query := url.Values{"state": callback.Query()["state"], "error": {code}, "error_description": {"<b>call 555-0100 to win</b>"}}
		page := r.open(phone, r.origin+callback.Path+"?"+query.Encode())
		r.wantPage(page, want.status, want.text)
		if strings.Contains(page.Body, "555-0100") {
			t.Error("the provider's text is on the page")
		}
		again := r.submit(phone, page, url.Values{"decision": {"switch"}})
		consent := r.fillIn(phone, again, ada)
		r.wantToken(request, r.decide(phone, consent, "link"))
	}
}

func TestCodeThatTheProviderDoesNotKnow(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	callback := mustParse(r.atCallback(phone, request))
	query := callback.Query()
	query.Set("code", "made-up-code")
	r.secret("made-up-code")
	page := r.open(phone, r.origin+callback.Path+"?"+query.Encode())
	r.wantError(request, page, "access_denied")
	r.wantLinks(0)
	// The flow is over: the right code comes too late.
	r.wantPage(r.open(phone, callback.String()), http.StatusBadRequest, "Please start again in the Alexa app")
}

func TestProviderOutage(t *testing.T) {
	r := newRig(t)
	token := r.link(simulator.NewPhone(), ada)
	r.provider.SetDown(true)
	r.restart() // starts without its provider

	r.wantActive(token)
	phone := simulator.NewPhone()
	request := r.request()
	page := r.open(phone, request.URL())
	r.wantPage(page, http.StatusServiceUnavailable, "Your company’s sign‑in does not answer")
	if !strings.Contains(page.Body, `href=""`) || strings.Contains(page.Body, request.State) {
		t.Error("there is no way to try again, or it tells the state")
	}
	r.provider.SetDown(false)
	r.clock.advance(retryAfter)
	consent := r.fillIn(phone, r.open(phone, page.URL.String()), ada)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")

	callback := r.atCallback(phone, request)
	r.provider.SetDown(true)
	page = r.open(phone, callback)
	r.wantPage(page, http.StatusServiceUnavailable, "Your company’s sign‑in does not answer")
	r.provider.SetDown(false)
	again := r.submit(phone, page, url.Values{"decision": {"switch"}})
	arrived := r.decide(phone, r.fillIn(phone, again, ada), "link")
	r.wantActive(r.wantToken(request, arrived))
}

// retryAfter is longer than a failed discovery is taken for the answer.
const retryAfter = 5e9

// Google shows an embedded browser a page of its own from which there is no way back, so ours comes first.
func TestEmbeddedBrowser(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Providers[0].Issuer = "https://accounts.google.com" })
	embedded := map[string]bool{
		"Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 Mobile Safari/537.36":       true,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148":                           true,
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36":                       false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1": false,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36":                             false,
		"": false,
	}
	for agent, want := range embedded {
		request := r.newRequest(http.MethodGet, strings.TrimPrefix(r.request().URL(), r.origin), nil)
		request.Header.Set("User-Agent", agent)
		response, body := r.do(request)
		got := response.StatusCode == http.StatusForbidden && strings.Contains(body, "Please open this in your browser") &&
			strings.Contains(body, "Continue here anyway")
		if got != want {
			t.Errorf("%s: status %d", agent, response.StatusCode)
		}
	}
}

// A store that is out of reach loses nothing: the same page works again when it is back.
func TestStoreOutage(t *testing.T) {
	r := newRig(t)
	token := r.link(simulator.NewPhone(), ada)
	phone := simulator.NewPhone()
	request := r.request()
	callback := r.atCallback(phone, request)

	broken := &brokenStore{Store: r.store}
	r.replaceStore(broken)
	broken.broken.Store(true)

	r.wantPage(r.open(phone, callback), http.StatusServiceUnavailable, "We cannot save this right now")
	if n := r.provider.Requests(tokenEndpoint); n != 1 {
		t.Errorf("the code was sent though its result could not be kept (%d requests)", n)
	}
	response, body := r.do(r.lookUpRequest(url.Values{"token": {token}}))
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" ||
		!strings.Contains(body, "temporarily_unavailable") || strings.Contains(body, "active") {
		t.Errorf("lookup: status %d, %v, %s", response.StatusCode, response.Header, body)
	}
	broken.broken.Store(false)
	consent := r.open(phone, callback)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	broken.broken.Store(true)
	r.wantPage(r.decide(phone, consent, "link"), http.StatusServiceUnavailable, "We cannot save this right now")
	broken.broken.Store(false)
	r.wantActive(r.wantToken(request, r.decide(phone, consent, "link")))
	r.wantLinks(2)
}
