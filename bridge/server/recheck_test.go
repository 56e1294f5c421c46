package server_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// offline is a change to a bridge: it keeps refresh tokens of the provider, and rechecks after an hour by a clock that
// only the test moves.
func offline(changes ...func(*bridge.AccountPolicy)) func(*testBridge) {
	policy := bridge.AccountPolicy{Offline: true, RecheckAfter: time.Hour}
	for _, change := range changes {
		change(&policy)
	}
	return func(b *testBridge) {
		b.Clock.Hold()
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": policy}
	}
}

// recheck lets a time pass, looks a token up, which is still active, and rechecks its link.
func (b *testBridge) recheck(after time.Duration, token string) {
	b.Helper()
	b.Clock.Advance(after)
	b.WantActive(token)
	b.Server.Recheck(b.Context())
}

// cacheLookups lets lookups be answered from the cache, without rechecks in the background.
func (b *testBridge) cacheLookups() {
	ctx, cancel := context.WithCancel(b.Context())
	running := b.Server
	done := make(chan error, 1)
	go func() { done <- running.RunLookups(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
}

// ada changes Ada at the provider.
func (b *testBridge) ada(change func(*upstreamtest.Person)) {
	person := testbridge.Ada()
	change(&person)
	b.Provider.SetPerson(person)
}

func disabled(person *upstreamtest.Person) { person.Disabled = true }

// theLink returns the only link.
func (b *testBridge) theLink() bridge.Link {
	b.Helper()
	b.WantLinks(1)
	return b.Links()[0]
}

// wantEnded checks that the only link was revoked for a reason, by the provider.
func (b *testBridge) wantEnded(token string, reason bridge.Reason) {
	b.Helper()
	b.WantInactive(token)
	if link := b.theLink(); link.Reason != reason || link.Actor != "provider:corp" {
		b.Errorf("revoked for %q by %q, want %q by the provider", link.Reason, link.Actor, reason)
	}
	if tokens, err := b.Store.UpstreamTokens(b.Context(), "", 9); err != nil || len(tokens) != 0 {
		b.Errorf("%d refresh tokens of the provider are left, %v", len(tokens), err)
	}
}

func (b *testBridge) wantOutcome(outcome string, count string) {
	b.Helper()
	b.WantMetric(`bridge_rechecks_total{outcome="` + outcome + `",provider="corp"} ` + count)
}

func TestRecheckEndsLinkOfDisabledAccount(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	b.ada(disabled)
	b.recheck(time.Hour-time.Second, token) // not asked yet
	b.WantActive(token)
	b.wantOutcome("gone", "0")
	b.recheck(time.Second, token)
	b.wantEnded(token, bridge.ReasonAccountGone)
	b.wantOutcome("gone", "1")
}

// The provider rotates its refresh tokens: each answer must be stored for the next question.
func TestRecheckAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	for range 7 * 24 {
		b.recheck(time.Hour, token)
	}
	b.wantOutcome("alive", "168")
	b.ada(disabled)
	b.recheck(time.Hour, token)
	b.wantEnded(token, bridge.ReasonAccountGone)
}

func TestRecheckByRefresh(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, offline(func(p *bridge.AccountPolicy) { p.RecheckLimit = 2 * time.Hour }))
	tokens := b.LinkByCode()
	b.Clock.Advance(time.Hour)
	b.WantTokens(b.Refresh(tokens.RefreshToken))
	b.Server.Recheck(b.Context())
	b.wantOutcome("alive", "1")
	b.Provider.SetDown(true)
	b.Clock.Advance(2 * time.Hour)
	response, body := b.Refresh(tokens.RefreshToken)
	wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
	b.Provider.SetDown(false)
	b.ada(disabled)
	b.Server.Recheck(b.Context())
	wantRefreshRejected(b, tokens.RefreshToken)
}

func TestRecheckRenewsClaims(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline(), func(b *testBridge) { b.Skill.Allow.Groups = []string{"alexa-users"} })
	token := b.Link()
	b.cacheLookups()
	b.ada(func(p *upstreamtest.Person) {
		p.GivenName, p.Groups = "Augusta", []string{"alexa-users", "mathematicians"}
	})
	b.recheck(time.Hour, token)
	claims := b.Lookup(token).Claims
	if claims["name"] != "Augusta Lovelace" || len(claims["groups"].([]any)) != 2 || claims["email"] != "ada@contoso.com" {
		t.Errorf("claims %v", claims)
	}
	b.wantOutcome("claims_changed", "1")
	b.wantRechecked(bridge.ReasonClaimsChanged)

	b.ada(func(p *upstreamtest.Person) { p.Groups = []string{"mathematicians"} })
	b.recheck(time.Hour, token)
	b.wantEnded(token, bridge.ReasonGroups)
}

// A configuration that does not permit the link suspends it, whatever the provider says, and is changed back.
func TestRecheckOfSuspendedLink(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	b.Skill.Allow.Groups = []string{"directors"}
	b.Restart()
	b.WantInactive(token)
	b.Clock.Advance(24 * time.Hour)
	b.Server.Recheck(b.Context())
	if link := b.theLink(); link.Revoked() || !link.CheckedAt.Equal(b.Clock.Now().Truncate(time.Second)) {
		t.Errorf("revoked for %q, checked at %v", link.Reason, link.CheckedAt)
	}
	b.ada(func(p *upstreamtest.Person) { p.Groups = []string{"directors"} })
	b.Clock.Advance(24 * time.Hour)
	b.Server.Recheck(b.Context())
	b.WantActive(token) // by the new claims
	b.Config.Skills = b.Config.Skills[1:]
	b.Restart()
	b.Clock.Advance(24 * time.Hour)
	b.Server.Recheck(b.Context())
	if b.theLink().Revoked() {
		t.Error("a link of a skill that is not configured was revoked")
	}
}

// While the provider is out of reach for a week, no link ends.
func TestRecheckWhileProviderIsDown(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	b.Provider.SetDown(true)
	for range 7 * 24 {
		b.recheck(time.Hour, token)
	}
	b.wantOutcome("alive", "0")
	b.WantLogged(map[string]any{"level": "WARN", "msg": "account not checked", "provider": "corp"})
	b.Provider.SetDown(false)
	b.recheck(time.Hour, token)
	b.wantOutcome("alive", "1")
	b.ada(disabled)
	b.recheck(time.Hour, token)
	b.wantEnded(token, bridge.ReasonAccountGone)
	// Of the week there is one record.
	b.wantRechecked(bridge.ReasonAccountUnknown, bridge.ReasonAccountAlive)
}

// wantRechecked checks the reasons of the records about rechecks.
func (b *testBridge) wantRechecked(want ...bridge.Reason) {
	b.Helper()
	records, err := b.Store.Audit(b.Context(), bridge.AuditFilter{Event: bridge.AuditRechecked})
	if err != nil {
		b.Fatal(err)
	}
	var got []bridge.Reason
	for _, record := range records {
		got = append(got, record.Reason)
	}
	if !slices.Equal(got, want) {
		b.Errorf("rechecks on record: %v, want %v", got, want)
	}
}

// With a limit, nobody is answered for whom the provider has not vouched for too long, and again once it has.
func TestRecheckLimit(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{false, true} {
		b := startBridge(t, offline(func(p *bridge.AccountPolicy) { p.RecheckLimit = 3 * time.Hour }))
		token := b.Link()
		if cached {
			b.cacheLookups()
		}
		b.Provider.SetDown(true)
		b.recheck(3*time.Hour-time.Second, token)
		b.Clock.Advance(time.Second)
		response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
		wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
		if response.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		b.WantLogged(map[string]any{"level": "WARN", "msg": "lookup failed"})
		b.Provider.SetDown(false)
		b.Clock.Advance(time.Hour)
		b.Server.Recheck(b.Context())
		b.WantActive(token)
	}
}

// The first answer of the provider is that of the sign-in, however long the person then takes to decide.
func TestRecheckLimitCountsFromTheSignIn(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline(func(p *bridge.AccountPolicy) { p.RecheckLimit = 10 * time.Minute }))
	phone, request := simulator.NewPhone(), b.Request()
	page := b.SignIn(phone, request, testbridge.Ada())
	b.Clock.Advance(9 * time.Minute)
	token := b.WantToken(request, b.Decide(phone, page, "link"))
	b.WantActive(token)
	b.Clock.Advance(2 * time.Minute)
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
}

// An answer is as old as its question, however long it took to arrive or to be stored: the account may have ended
// meanwhile.
func TestRecheckLimitCountsFromTheQuestion(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	b := startBridge(t, offline(func(p *bridge.AccountPolicy) { p.RecheckLimit = 3 * time.Hour }), func(b *testBridge) {
		b.WrapProvider = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				if slow.Load() && r.URL.Path == "/oauth/token" {
					b.Clock.Advance(time.Hour)
				}
			})
		}
	})
	token := b.Link()
	slow.Store(true)
	b.recheck(time.Hour, token)
	b.Provider.SetDown(true)
	b.recheck(2*time.Hour-time.Second, token)
	b.Clock.Advance(time.Second)
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestRecheckGrace(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline(func(p *bridge.AccountPolicy) { p.DeadGrace, p.RecheckLimit = 72*time.Hour, 2*time.Hour }))
	token := b.Link()
	b.ada(disabled)
	b.recheck(time.Hour, token)
	b.WantLogged(map[string]any{"level": "WARN", "msg": "account gone", "revoked_in": "72h0m0s"})
	asked := b.Provider.Requests("/oauth/token")
	for range 71 {
		b.recheck(time.Hour, token)
	}
	b.WantExchanges(asked)
	b.wantOutcome("dying", "1")
	b.wantRechecked(bridge.ReasonAccountGone)
	b.Clock.Advance(time.Hour)
	b.Server.Recheck(b.Context())
	b.wantEnded(token, bridge.ReasonAccountGone)
}
