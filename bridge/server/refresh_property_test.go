package server_test

import (
	"flag"
	"net/http"
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
)

// Codes and tokens are presented in random order at two replicas. Each response, link and access token must be what
// the model says.
func TestRefreshProperty(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	replicas := startReplicas(t)
	setChecks(t)
	rapid.Check(t, func(t *rapid.T) {
		replicas.nextSecond() // so that a check does not depend on the one before
		p := &property{replicas: replicas}
		p.createLink(t)
		t.Repeat(map[string]func(*rapid.T){
			"":                     p.check,
			"create a link":        p.createLink,
			"present a code":       p.presentCode,
			"present a code later": p.presentCodeLater,
			"refresh":              p.refreshNewest,
			"present any":          p.presentAny,
			"present any, too":     p.presentAny,
			"present a relative":   p.presentRelative,
			"present concurrently": p.presentConcurrently,
			"exceed the limit":     p.exceedLimit,
			"revoke a link":        p.revokeLink,
			"look up":              p.lookup,
			"restart":              p.restart,
			"sweep":                p.sweepNow,
		})
		for i, token := range p.access {
			p.wantLookup(t, i%2, token)
		}
	})
}

// setChecks sets the number of checks, unless the command line has -rapid.checks.
func setChecks(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() != checks.DefValue {
		return
	}
	if err := checks.Value.Set(propertyChecks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checks.Value.Set(checks.DefValue) })
}

// property is one check: new links at the replicas, and the model of them.
type property struct {
	*replicas
	model
}

// createLink creates a link by the code grant, as consent does.
func (p *property) createLink(t *rapid.T) {
	now, client := p.clock.Now(), drawClient(t)
	l := &modelLink{
		id: bridge.NewLinkID(), client: client, code: bridge.NewRandomToken(bridge.CodeKind),
		codeExpires: now.Add(propertyCode).Truncate(time.Second),
	}
	err := createLink(p.bridges[drawReplica(t)], bridge.NewLink{
		Link: bridge.Link{ID: l.id, ClientID: client, Grant: bridge.GrantAuthorizationCode, CreatedAt: now},
		Code: &bridge.NewCode{Hash: bridge.HashOf(l.code), RedirectURI: propertyRedirect, ExpiresAt: l.codeExpires},
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
	p.redeemWith(t, l, drawOwner(t, l), rapid.SampledFrom([]int{1, 1, 2, 8}).Draw(t, "concurrently"))
}

func (p *property) presentCodeLater(t *rapid.T) {
	p.wait(t)
	p.presentCode(t)
}

// redeemWith presents a code n times at once. At most one of them succeeds.
func (p *property) redeemWith(t *rapid.T, l *modelLink, client string, n int) {
	now := p.clock.Now()
	want := p.redeemOutcome(l, client, now)
	if want == "" {
		return
	}
	responses := p.present(t, l, n, "/token", client, url.Values{"grant_type": {"authorization_code"}, "code": {l.code}})
	got, successes := p.outcome(t, l, responses)
	if got != want || want == issued && len(successes) != 1 {
		t.Fatalf("code presented %d times at once: %q for %d, want %q", n, got, len(successes), want)
	}
	switch want {
	case issued:
		p.wantNew(t, successes[0].AccessToken, successes[0].RefreshToken)
		p.redeem(l, successes[0].AccessToken, successes[0].RefreshToken, now)
	case replayed:
		l.revoke(bridge.ReasonCodeReplayed, now)
	}
}

// outcome returns the outcome by the responses and the link, and the successful responses.
func (p *property) outcome(t *rapid.T, l *modelLink, responses []response) (outcome, []response) {
	var successes []response
	for _, r := range responses {
		switch {
		case r.status == http.StatusOK && r.TokenType == "Bearer" &&
			r.ExpiresIn == int(propertyLifetime.Seconds()) && r.Error == "":
			successes = append(successes, r)
		case r.status != http.StatusBadRequest || r.Error != "invalid_grant" || r.AccessToken+r.RefreshToken != "":
			t.Fatalf("status %d, error %q", r.status, r.Error)
		}
	}
	switch {
	case len(successes) > 0:
		return issued, successes
	case l != nil && l.live() && p.linksNow(t, l)[0].Revoked():
		return replayed, nil
	}
	return rejected, nil
}

// refreshNewest presents the newest refresh token that the client has. The response may be lost.
func (p *property) refreshNewest(t *rapid.T) {
	l := pick(t, "link", p.links)
	if l.holds != nil {
		p.refreshWith(t, l.holds, l.client, 1, rapid.Bool().Draw(t, "response received"))
	}
}

func (p *property) presentAny(t *rapid.T) {
	token := p.anyRefresh(t)
	if rapid.IntRange(0, 20).Draw(t, "unknown") == 20 {
		p.refreshWith(t, nil, drawClient(t), 1, false)
	}
	p.refreshWith(t, token, drawOwner(t, token.link), 1, rapid.Bool().Draw(t, "response received"))
}

// presentRelative presents a sibling or the parent of some token, or the token itself.
func (p *property) presentRelative(t *rapid.T) {
	token := p.anyRefresh(t)
	relatives := []*modelRefresh{token}
	if token.parent != nil {
		relatives = append(relatives, token.parent)
		for _, added := range token.parent.children {
			relatives = append(relatives, added.tokens...)
		}
	}
	token = pick(t, "relative", relatives)
	p.refreshWith(t, token, drawOwner(t, token.link), 1, true)
}

// exceedLimit presents a token until the limit evicts some of its successors, and then one of its first successors.
func (p *property) exceedLimit(t *rapid.T) {
	token := p.anyRefresh(t)
	before := len(p.refresh)
	p.refreshWith(t, token, token.link.client, rapid.IntRange(1, 2).Draw(t, "first"), false)
	p.refreshWith(t, token, token.link.client, rapid.SampledFrom([]int{15, 16, 20}).Draw(t, "then"), false)
	if added := p.refresh[before:]; len(added) > 0 {
		child := pick(t, "child", added[:min(3, len(added))])
		p.refreshWith(t, child, token.link.client, 1, true)
	}
}

func (p *property) presentConcurrently(t *rapid.T) {
	token, n := p.anyRefresh(t), rapid.SampledFrom([]int{2, 3, 16, 17, 20}).Draw(t, "concurrently")
	p.refreshWith(t, token, drawOwner(t, token.link), n, rapid.Bool().Draw(t, "response received"))
}

// refreshWith presents a refresh token n times at once. All of them have the same outcome.
func (p *property) refreshWith(t *rapid.T, token *modelRefresh, client string, n int, received bool) {
	want, text := p.refreshOutcomes(token, client), bridge.NewRandomToken(bridge.RefreshTokenKind)
	var l *modelLink
	if token != nil {
		l, text = token.link, token.text
	}
	responses := p.present(t, l, n, "/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}})
	got, successes := p.outcome(t, l, responses)
	if !want.has(got) || got == issued && len(successes) != n {
		t.Fatalf("refresh token presented %d times at once: %q for %d, want %v", n, got, len(successes), want)
	}
	if token != nil {
		token.observe(want, got)
	}
	switch got {
	case issued:
		p.addIssued(t, token, successes, received)
	case replayed:
		l.revoke(bridge.ReasonRefreshReplayed, p.clock.Now())
	}
}

// addIssued adds the tokens of successful refreshes to the model.
func (p *property) addIssued(t *rapid.T, token *modelRefresh, successes []response, received bool) {
	p.supersede(token)
	var added []string
	for _, r := range successes {
		p.wantNew(t, r.AccessToken)
		switch {
		case token.link.client == rotating:
			p.wantNew(t, r.RefreshToken)
			added = append(added, r.RefreshToken)
		case r.RefreshToken != token.text:
			t.Fatal("a stable refresh token changed")
		}
		p.addAccess(token.link, r.AccessToken, p.clock.Now())
	}
	if len(added) > 0 {
		p.addSuccessors(token, added)
	}
	if received && len(added) > 0 {
		token.link.holds = p.refresh[len(p.refresh)-1]
	}
}
