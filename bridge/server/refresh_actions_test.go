package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// revokeLink revokes a link in one of three ways, or most often not at all, so that links remain.
func (p *property) revokeLink(t *rapid.T) {
	switch way := rapid.IntRange(0, 5).Draw(t, "way"); {
	case way == 1:
		p.revoke(t)
	case len(p.access) == 0: // no tokens to revoke by
	case way == 2:
		p.revokeByRefresh(t)
	case way == 3:
		p.revokeByAccess(t)
	}
}

func (p *property) revoke(t *rapid.T) {
	l := pick(t, "link", p.links)
	_, err := p.store(t).Revoke(t.Context(), bridge.LinkFilter{IDs: []string{l.id}},
		bridge.Revocation{Reason: bridge.ReasonOperator, At: p.clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	l.revoke(bridge.ReasonOperator, p.clock.Now())
}

func (p *property) revokeByRefresh(t *rapid.T) {
	token := p.anyRefresh(t)
	client := drawOwner(t, token.link)
	want := p.revokeOutcomes(token, client)
	got := p.revokeWith(t, token.link, token.text, client)
	if !want.has(got) {
		t.Fatalf("revoke by refresh token: %q, want %v", got, want)
	}
	token.observe(want, got)
}

func (p *property) revokeByAccess(t *rapid.T) {
	token := pick(t, "access token", p.access)
	client, want := drawOwner(t, token.link), ignored
	if client == token.link.client && token.active(p.clock.Now()) {
		want = revokedLink
	}
	if got := p.revokeWith(t, token.link, token.text, client); got != want {
		t.Fatalf("revoke by access token: %q, want %q", got, want)
	}
}

// revokeWith posts to /revoke, whose responses are all alike, and looks at the link.
func (p *property) revokeWith(t *rapid.T, l *modelLink, text, client string) outcome {
	if got := p.present(t, l, 1, "/revoke", client, url.Values{"token": {text}})[0]; got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
	if !l.live() || !p.linksNow(t, l)[0].Revoked() {
		return ignored
	}
	l.revoke(bridge.ReasonClient, p.clock.Now())
	return revokedLink
}

func (p *property) lookup(t *rapid.T) {
	token := pick(t, "access token", p.access)
	p.wantLookup(t, drawReplica(t), token)
}

func (p *property) wantLookup(t *rapid.T, i int, token *modelAccess) {
	want := token.active(p.clock.Now())
	got, err := p.post(i, "/lookup", testbridge.BackendID, testbridge.BackendSecret, url.Values{"token": {token.text}})
	if err != nil {
		t.Fatal(err)
	}
	if got.timedOut {
		return
	}
	if got.status != http.StatusOK || got.Active != want || want && got.ClientID != token.link.client {
		t.Fatalf("lookup: status %d, active %t, want %t", got.status, got.Active, want)
	}
}

func (p *property) restart(t *rapid.T) {
	p.bridges[drawReplica(t)].Restart()
}

func (p *property) sweepNow(t *rapid.T) {
	if _, err := p.store(t).Sweep(t.Context(), bridge.Sweep{Now: p.clock.Now(), Limit: 100_000}); err != nil {
		t.Fatal(err)
	}
	p.sweep(p.clock.Now())
}

func (p *property) wait(t *rapid.T) {
	times := []time.Duration{time.Millisecond, 700 * time.Millisecond, 5 * time.Second, 9900 * time.Millisecond,
		10 * time.Second, 11 * time.Second, propertyCode, propertyLifetime - time.Minute, propertyLifetime}
	p.clock.Advance(rapid.SampledFrom(times).Draw(t, "time"))
}

// check compares all links with the model, and looks up the newest access token.
func (p *property) check(t *rapid.T) {
	for i, got := range p.linksNow(t, p.links...) {
		want := p.links[i]
		if !got.RevokedAt.Equal(want.revoked) || got.Reason != want.reason {
			t.Fatalf("link %d: revoked at %v for %q, want %v for %q", i, got.RevokedAt, got.Reason, want.revoked, want.reason)
		}
	}
	if n := len(p.access); n > 0 {
		p.wantLookup(t, n%2, p.access[n-1])
	}
}

// linksNow reads links from one of the stores, in the order given.
func (p *property) linksNow(t *rapid.T, of ...*modelLink) []bridge.Link {
	if len(of) == 0 {
		return nil // an empty filter would match all
	}
	var filter bridge.LinkFilter
	for _, l := range of {
		filter.IDs = append(filter.IDs, l.id)
	}
	links, err := p.store(t).Links(t.Context(), filter)
	if err != nil || len(links) != len(of) {
		t.Fatalf("%d links, want %d (%v)", len(links), len(of), err)
	}
	slices.SortFunc(links, func(a, b bridge.Link) int {
		return slices.Index(filter.IDs, a.ID) - slices.Index(filter.IDs, b.ID)
	})
	return links
}

func (p *property) wantNew(t *rapid.T, tokens ...string) {
	for _, token := range tokens {
		if token == "" || p.has(token) {
			t.Fatal("no token, or one that was issued before")
		}
	}
}

// anyRefresh draws a refresh token, newer ones more often.
func (p *property) anyRefresh(t *rapid.T) *modelRefresh {
	from := p.refresh
	if len(from) > 3 && rapid.Bool().Draw(t, "newest") {
		from = from[len(from)-3:]
	}
	return pick(t, "refresh token", from)
}

// pick draws an index, which is printed better than a pointer. An action that picks from an empty list is skipped.
func pick[T any](t *rapid.T, what string, list []T) T {
	if len(list) == 0 {
		t.Skip("no " + what)
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(t, what)]
}

func drawReplica(t *rapid.T) int { return rapid.IntRange(0, 1).Draw(t, "replica") }

func drawClient(t *rapid.T) string {
	return rapid.SampledFrom([]string{rotating, rotating, stable}).Draw(t, "client")
}

// drawOwner draws the client of a link, or sometimes the other one.
func drawOwner(t *rapid.T, l *modelLink) string {
	if rapid.IntRange(0, 4).Draw(t, "owner") > 0 {
		return l.client
	}
	if l.client == stable {
		return rotating
	}
	return stable
}
