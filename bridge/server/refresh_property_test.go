package server_test

import (
	"flag"
	"net/http"
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Whatever comes in whatever order, at whichever of two bridges on one database: each answer, each link and each access
// token is what the rules say.
func TestRefreshProperty(t *testing.T) {
	fleet := newFleet(t)
	fewChecks(t)
	rapid.Check(t, func(t *rapid.T) {
		fleet.clock.toSecond()
		p := &property{fleet: fleet}
		p.link(t)
		t.Repeat(map[string]func(*rapid.T){
			"":                     p.check,
			"make a link":          p.link,
			"present a code":       p.presentCode,
			"present a code later": p.presentCodeLate,
			"go on":                p.goOn,
			"present any":          p.presentAny,
			"present any, too":     p.presentAny,
			"present a relative":   p.presentRelative,
			"present at once":      p.presentAtOnce,
			"go past the limit":    p.goPastLimit,
			"end a link":           p.endLink,
			"look up":              p.lookup,
			"restart":              p.restart,
			"sweep":                p.sweepNow,
		})
		for i, token := range p.access {
			p.wantLookUp(t, i%2, token)
		}
	})
}

// fewChecks keeps the test to seconds, unless the command line asks for another number of checks.
func fewChecks(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() != checks.DefValue {
		return
	}
	if err := checks.Value.Set("10"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checks.Value.Set(checks.DefValue) })
}

// property is one check: fresh links at the fleet, and what the model says of them.
type property struct {
	*fleet
	model
}

// link makes a link with a code, as a person's consent would.
func (p *property) link(t *rapid.T) {
	now, store, client := p.clock.Now(), p.store(t), drawClient(t)
	l := &modelLink{id: bridge.NewLinkID(), client: client, code: bridge.NewRandomToken(bridge.CodeKind), codeExpires: now.Add(propertyCode).Truncate(time.Second)}
	handle := bridge.HashOf("handle of " + l.id)
	if err := store.CreatePendingConsent(t.Context(), bridge.PendingConsent{Handle: handle, ExpiresAt: now.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	err := store.Link(t.Context(), handle, bridge.NewLink{
		Link: bridge.Link{ID: l.id, ClientID: client, Grant: bridge.GrantAuthorizationCode, CreatedAt: now,
			Identity: bridge.Identity{Subject: l.id, Provider: bridge.Provider{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "sub"}}},
		Code: &bridge.NewCode{Hash: bridge.HashOf(l.code), RedirectURI: "https://alexa.example.com/back", ExpiresAt: l.codeExpires},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.links = append(p.links, l)
	if rapid.IntRange(0, 3).Draw(t, "redeem") > 0 {
		p.redeemWith(t, l, client, 1)
	}
}

func (p *property) presentCode(t *rapid.T) {
	l := pick(t, "link", p.links)
	p.redeemWith(t, l, drawOwner(t, l), rapid.SampledFrom([]int{1, 1, 2, 8}).Draw(t, "at once"))
}

func (p *property) presentCodeLate(t *rapid.T) {
	p.pass(t)
	p.presentCode(t)
}

// redeemWith presents a code n times at once. Only one of them can succeed.
func (p *property) redeemWith(t *rapid.T, l *modelLink, client string, n int) {
	now := p.clock.Now()
	want := p.redeemVerdict(l, client, now)
	if want == "" {
		return
	}
	replies := p.ask(t, n, "/token", client, url.Values{"grant_type": {"authorization_code"}, "code": {l.code}})
	got, given := p.observe(t, l, replies)
	if got != want || want == issued && len(given) != 1 {
		t.Fatalf("code %d times at once: %q for %d, want %q", n, got, len(given), want)
	}
	switch want {
	case issued:
		p.wantFresh(t, given[0].AccessToken, given[0].RefreshToken)
		p.redeem(l, given[0].AccessToken, given[0].RefreshToken, now)
	case replayed:
		l.end(bridge.ReasonCodeReplayed, now)
	}
}

// observe takes the verdict from the answers and from the link, and returns those that succeeded.
func (p *property) observe(t *rapid.T, l *modelLink, replies []reply) (verdict, []reply) {
	var given []reply
	for _, r := range replies {
		switch {
		case r.status == http.StatusOK && r.TokenType == "Bearer" && r.ExpiresIn == int(propertyLifetime.Seconds()) && r.Error == "":
			given = append(given, r)
		case r.status != http.StatusBadRequest || r.Error != oauth.InvalidGrant || r.AccessToken+r.RefreshToken != "":
			t.Fatalf("status %d, error %q", r.status, r.Error)
		}
	}
	switch {
	case len(given) > 0:
		return issued, given
	case l != nil && l.live() && p.linksNow(t, l)[0].Revoked():
		return replayed, nil
	}
	return refused, nil
}

// goOn refreshes with what a client believes to be the newest token. Its answer may be lost.
func (p *property) goOn(t *rapid.T) {
	l := pick(t, "link", p.links)
	if l.holds != nil {
		p.refreshWith(t, l.holds, l.client, 1, rapid.Bool().Draw(t, "answer arrives"))
	}
}

func (p *property) presentAny(t *rapid.T) {
	if rapid.IntRange(0, 20).Draw(t, "unknown") == 20 {
		p.refreshWith(t, nil, drawClient(t), 1, false)
	}
	if token := p.anyRefresh(t); token != nil {
		p.refreshWith(t, token, drawOwner(t, token.link), 1, rapid.Bool().Draw(t, "answer arrives"))
	}
}

// presentRelative presents a sibling or the parent of some token, or the token itself.
func (p *property) presentRelative(t *rapid.T) {
	token := p.anyRefresh(t)
	if token == nil {
		return
	}
	relatives := []*modelRefresh{token}
	if token.parent != nil {
		relatives = append(relatives, token.parent)
		for _, born := range token.parent.children {
			relatives = append(relatives, born.tokens...)
		}
	}
	token = pick(t, "relative", relatives)
	p.refreshWith(t, token, drawOwner(t, token.link), 1, true)
}

// goPastLimit presents one token until the limit takes some of its children, and then one of these or of those that stay.
func (p *property) goPastLimit(t *rapid.T) {
	token := p.anyRefresh(t)
	if token == nil {
		return
	}
	before := len(p.refresh)
	p.refreshWith(t, token, token.link.client, rapid.IntRange(1, 2).Draw(t, "first"), false)
	p.refreshWith(t, token, token.link.client, rapid.SampledFrom([]int{15, 16, 20}).Draw(t, "then"), false)
	if born := p.refresh[before:]; len(born) > 0 {
		child := pick(t, "child", born[:min(3, len(born))])
		p.refreshWith(t, child, token.link.client, 1, true)
	}
}

func (p *property) presentAtOnce(t *rapid.T) {
	if token := p.anyRefresh(t); token != nil {
		p.refreshWith(t, token, drawOwner(t, token.link), rapid.SampledFrom([]int{2, 3, 16, 17, 20}).Draw(t, "at once"), rapid.Bool().Draw(t, "answer arrives"))
	}
}

// refreshWith presents a refresh token n times at once: all of them get the same.
func (p *property) refreshWith(t *rapid.T, token *modelRefresh, client string, n int, arrives bool) {
	want, text := p.refreshVerdicts(token, client), bridge.NewRandomToken(bridge.RefreshTokenKind)
	var l *modelLink
	if token != nil {
		l, text = token.link, token.text
	}
	replies := p.ask(t, n, "/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}})
	got, given := p.observe(t, l, replies)
	if !want.holds(got) || got == issued && len(given) != n {
		t.Fatalf("refresh %d times at once: %q for %d, want %v", n, got, len(given), want)
	}
	if token != nil {
		token.learn(want, got)
	}
	switch got {
	case issued:
		p.takeGiven(t, token, given, arrives)
	case replayed:
		l.end(bridge.ReasonRefreshReplayed, p.clock.Now())
	}
}

// takeGiven takes down what a refresh gave out.
func (p *property) takeGiven(t *rapid.T, token *modelRefresh, given []reply, arrives bool) {
	p.present(token)
	var born []string
	for _, r := range given {
		if token.link.client == stable {
			p.wantFresh(t, r.AccessToken)
			if r.RefreshToken != token.text {
				t.Fatal("a stable refresh token changed")
			}
		} else {
			p.wantFresh(t, r.AccessToken, r.RefreshToken)
			born = append(born, r.RefreshToken)
		}
		p.addAccess(token.link, r.AccessToken, p.clock.Now())
	}
	if len(born) > 0 {
		p.bear(token, born)
	}
	if arrives && len(born) > 0 {
		token.link.holds = p.refresh[len(p.refresh)-1]
	}
}
