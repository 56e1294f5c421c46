package server_test

import (
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	domainRule := []bridge.ClaimRule{{Name: "hd", AnyOf: []string{"contoso.com"}}}
	emailRule := []bridge.ClaimRule{{Name: "email", AnyOf: []string{"ada@contoso.com"}}}
	tests := []struct {
		name   string
		allow  bridge.Allow
		change func(*upstreamtest.Person)
		reason bridge.Reason // empty: allowed
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
		{"in a similar group", bridge.Allow{Groups: []string{"Engineering"}}, nil, bridge.ReasonGroups},
		{"without groups", bridge.Allow{Groups: []string{"admins"}},
			func(p *upstreamtest.Person) { p.Groups = nil }, bridge.ReasonGroups},
		{"a claim", bridge.Allow{Claims: domainRule},
			func(p *upstreamtest.Person) { p.Claims = map[string]any{"hd": "contoso.com"} }, ""},
		{"another claim", bridge.Allow{Claims: domainRule},
			func(p *upstreamtest.Person) { p.Claims = map[string]any{"hd": "evil.example"} }, bridge.ReasonClaim},
		{"e-mail claim, not verified", bridge.Allow{Claims: emailRule},
			func(p *upstreamtest.Person) { p.EmailVerified = false }, bridge.ReasonEmailUnverified},
		{"e-mail claim, verified", bridge.Allow{Claims: emailRule}, nil, ""},
		{"one of two rules", bridge.Allow{EmailDomains: []string{"contoso.com"}, Groups: []string{"admins"}}, nil,
			bridge.ReasonGroups},
	}
	b, linked := startBridge(t), 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.Within(t)
			person := testbridge.Ada()
			if tt.change != nil {
				tt.change(&person)
			}
			b.Provider.SetPerson(person)
			b.Skill.Allow = tt.allow
			b.Restart()
			phone, request := simulator.NewPhone(), b.Request()
			page := b.SignIn(phone, request, person)
			if tt.reason == "" {
				b.WantActive(b.WantToken(request, b.Decide(phone, page, "link")))
				linked++
			} else {
				b.WantPage(page, http.StatusForbidden, "This account may not link")
				b.WantError(request, b.Decide(phone, page, "cancel"), "access_denied")
				b.WantMetric(`bridge_links_refused_total{client_id="pizza",reason="` + string(tt.reason) + `"} 1`)
				b.WantLogged(map[string]any{"client_id": "pizza", "reason": string(tt.reason)})
			}
			b.WantLinks(linked)
		})
	}
}

// Who is known by an e-mail address must have it verified, whatever the skill allows.
func TestSubjectIsAnEmail(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Config.Providers[0].SubjectClaim = "email" })
	verified, unverified := testbridge.Ada(), testbridge.Ada()
	unverified.EmailVerified = false
	b.Provider.SetPerson(unverified)
	b.WantPage(b.SignIn(simulator.NewPhone(), b.Request(), unverified), http.StatusForbidden, "This account may not link")
	b.WantLogged(map[string]any{"reason": string(bridge.ReasonEmailUnverified), "client_id": "pizza"})
	phone := simulator.NewPhone()
	b.WantPage(b.trySignIn(phone, b.ticketURL()), http.StatusOK, "subject_claim")

	b.Provider.SetPerson(verified)
	if got := b.Lookup(b.Link()).Subject; got != verified.Email {
		t.Errorf("sub %s, want %s", got, verified.Email)
	}
	b.Skill.Allow.EmailTrusted = true
	b.Provider.SetPerson(unverified)
	b.Restart()
	b.WantActive(b.Link())
}

// One person's claims are not stored if they would make an export of all links impossible.
func TestKeptClaimsAreBounded(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.Claims = []string{"about"} })
	ada := testbridge.Ada()
	for about, status := range map[string]int{
		strings.Repeat("x", 40_000): http.StatusOK, strings.Repeat("x", 50_000): http.StatusInternalServerError,
		strings.Repeat("\x7f", 11_000): http.StatusInternalServerError, // six bytes each in an export
	} {
		ada.Claims = map[string]any{"about": about}
		b.Provider.SetPerson(ada)
		page := b.SignIn(simulator.NewPhone(), b.Request(), ada)
		if page.Status != status {
			t.Errorf("%d characters: status %d, want %d", len(about), page.Status, status)
		}
	}
	b.WantLogged(map[string]any{"reason": "provider_setup", "stage": "userinfo"})
}

// A link is suspended while the configuration does not allow it.
func TestConfigurationSuspendsLinks(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.Allow.Groups = []string{"engineering"} })
	token := b.Link()
	original := *b.Skill
	for name, change := range map[string]func(){
		"another group": func() { b.Skill.Allow.Groups = []string{"admins"} },
		"also a domain": func() { b.Skill.Allow.EmailDomains = []string{"fabrikam.com"} },
		"another provider": func() {
			b.Skill.Provider = "other"
			other := b.Config.Providers[0]
			other.ID = "other"
			b.Config.Providers = append(b.Config.Providers[:1:1], other)
		},
		"another subject claim": func() { b.Config.Providers[0].SubjectClaim = "oid" },
		"another e-mail claim":  func() { b.Config.Providers[0].EmailClaim = []string{"upn"} },
		"another groups claim":  func() { b.Config.Providers[0].GroupsClaim = []string{"roles"} },
		"another issuer":        func() { b.Config.Providers[0].Issuer = "https://other.example.com" },
		"no skill":              func() { b.Skill.ClientID = "gone" },
	} {
		config, provider := b.Config, b.Config.Providers[0]
		change()
		b.Restart()
		before := len(b.Logs.String())
		if response := b.Lookup(token); response.Active {
			t.Errorf("%s: active, want inactive", name)
		}
		if !strings.Contains(b.Logs.String()[before:], `"msg":"link suspended","link_id":"`) {
			t.Errorf("%s: the log does not say why:\n%s", name, b.Logs.String()[before:])
		}
		b.WantMetric(`bridge_lookups_total{outcome="suspended"} 1`)
		*b.Skill, b.Config, b.Config.Providers[0] = original, config, provider
		b.Restart()
		b.WantActive(token)
	}
}
