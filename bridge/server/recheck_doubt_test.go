package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// loseAnswers is a change to a bridge: while lose is true, the provider serves token requests, and the answer is lost.
func loseAnswers(lose *atomic.Bool) func(*testBridge) {
	return func(b *testBridge) {
		b.WrapProvider = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !lose.Load() || r.URL.Path != "/oauth/token" {
					next.ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(lostResponse{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			})
		}
	}
}

type lostResponse struct{ header http.Header }

func (r lostResponse) Header() http.Header            { return r.header }
func (r lostResponse) Write(body []byte) (int, error) { return len(body), nil }
func (r lostResponse) WriteHeader(int)                {}

// The answer to a question is lost, with the new refresh token in it. The provider refuses the old one: nobody can tell
// whether the account is gone, so the link lives.
func TestRecheckAnswerIsLost(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	b := startBridge(t, loseAnswers(&lose), offline())
	token := b.Link()
	lose.Store(true)
	b.recheck(time.Hour, token)
	lose.Store(false)
	for range 10 {
		b.recheck(time.Hour, token)
	}
	b.WantActive(token)
	b.wantOutcome("gone", "0")
	line := b.WantLogged(map[string]any{"level": "WARN", "msg": "account not checked", "stage": "token", "failures": 2.0})
	if hint, _ := line["hint"].(string); !strings.Contains(hint, "let the person link again") {
		t.Errorf("hint %q", hint)
	}
}

// A replica that stops between question and answer leaves the next one in doubt, too.
func TestRecheckNeverRecorded(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	b.Clock.Advance(time.Hour)
	_, err := b.Store.BeginRecheck(t.Context(), bridge.RecheckStart{LinkID: b.theLink().ID, Now: b.Clock.Now(),
		CheckedBefore: b.Clock.Now(), Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	b.ada(disabled)
	b.recheck(time.Minute, token)
	b.WantActive(token)
	b.wantOutcome("unknown", "1")
}

func TestRecheckAnswerIsAboutSomebodyElse(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	rename(b, b.theLink().ID)
	b.recheck(time.Hour, token)
	b.WantActive(token)
	b.WantLogged(map[string]any{"level": "ERROR", "msg": "account not checked",
		"error": "the provider's answer is about another person"})
}

// A key that was removed leaves a refresh token that nobody can open. That says nothing about the account.
func TestRecheckWithoutKey(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	b.ada(disabled)
	kept := b.Config.Keys
	b.Config.Keys = keys.NewRing(bytes.Repeat([]byte{99}, keys.SecretSize))
	b.Restart()
	b.recheck(time.Hour, token)
	b.WantActive(token)
	b.WantLogged(map[string]any{"level": "ERROR", "msg": "account not checked"})
	b.Config.Keys = kept
	b.Restart()
	b.recheck(time.Hour, token)
	b.wantEnded(token, bridge.ReasonAccountGone)
}

// A refresh token was issued to one client. That another one is configured says nothing about the account.
func TestRecheckByAnotherClient(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	asked := b.Provider.Requests("/oauth/token")
	b.Config.Providers[0].ClientID = "another-client"
	b.Restart()
	b.recheck(time.Hour, token)
	b.WantActive(token)
	b.WantExchanges(asked)
	b.wantOutcome("unknown", "1")
}

// Only a link keeps a refresh token, sealed. Without offline, and by a test sign-in, none is asked for.
func TestUpstreamTokenIsKeptForLinksOnly(t *testing.T) {
	t.Parallel()
	var issued []string
	record := func(b *testBridge) { b.WrapProvider = recordRefreshTokens(&issued) }
	plain, tried := startBridge(t, record), startBridge(t, record, offline())
	plain.Link()
	tried.WantPage(tried.trySignIn(simulator.NewPhone(), tried.ticketURL()), http.StatusOK, "may link the skill")
	for _, b := range []*testBridge{plain, tried} {
		if tokens, err := b.Store.UpstreamTokens(t.Context(), "", 9); err != nil || len(tokens) != 0 {
			t.Errorf("%d refresh tokens are stored, %v", len(tokens), err)
		}
	}
	if len(issued) != 0 {
		t.Errorf("%d refresh tokens were issued, want none", len(issued))
	}
	b := startBridge(t, record, offline())
	token := b.Link()
	b.recheck(time.Hour, token)
	if len(issued) != 2 {
		t.Fatalf("%d refresh tokens were issued, want one by the sign-in, one by the recheck", len(issued))
	}
	database, log := readDatabase(b), b.Logs.String()
	for _, secret := range issued {
		if strings.Contains(database, secret) || strings.Contains(log, secret) {
			t.Error("a refresh token is in the database or in the log")
		}
	}
}

// recordRefreshTokens wraps a provider and appends the refresh tokens that it issues to a list.
func recordRefreshTokens(issued *[]string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			var body struct {
				RefreshToken string `json:"refresh_token"`
			}
			if json.Unmarshal(recorder.Body.Bytes(), &body) == nil && body.RefreshToken != "" {
				*issued = append(*issued, body.RefreshToken)
			}
			maps.Copy(w.Header(), recorder.Header())
			w.WriteHeader(recorder.Code)
			w.Write(recorder.Body.Bytes())
		})
	}
}

// Nobody can tell for an hour: meanwhile lookups are answered from the cache, as ever.
func TestUnknownAccountIsNotReadAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	store := countRechecks(b)
	b.Config.Providers[0].ClientID = "another-client"
	b.ReplaceStore(store)
	b.cacheLookups()
	b.recheck(time.Hour, token)
	b.wantOutcome("unknown", "1")
	waitForFeed(b)
	b.recheck(0, token) // an answer that was read while the feed was old may not be cached
	before, begun := readsFromStore(b), store.begun.Load()
	for range 20 {
		b.WantActive(token)
		b.Server.Recheck(t.Context())
	}
	if got := readsFromStore(b); got != before {
		t.Errorf("%d lookups were read from the store", got-before)
	}
	if got := store.begun.Load(); got != begun {
		t.Errorf("%d rechecks were asked for", got-begun)
	}
}

// Once the provider has said that the account lives, a link is not asked about until recheck_after, however it is used.
func TestCheckedAccountIsNotAskedAboutAgain(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	store := countRechecks(b)
	b.cacheLookups()
	b.recheck(time.Hour, token)
	b.wantOutcome("alive", "1")
	for range 5 {
		b.Clock.Advance(10 * time.Minute)
		waitForFeed(b)
		b.recheck(0, token)
	}
	if got := store.begun.Load(); got != 1 {
		t.Errorf("%d rechecks were asked for, want 1", got)
	}
	b.recheck(10*time.Minute, token)
	b.wantOutcome("alive", "2")
}

// waitForFeed waits until the feed was read after the clock was moved, so that lookups are answered from the cache
// again.
func waitForFeed(b *testBridge) {
	b.Helper()
	for range 1000 {
		if strings.Contains(b.Metrics(), "\nbridge_feed_age_seconds 0\n") {
			return
		}
		time.Sleep(5 * time.Millisecond) // the feed is read every 250 ms
	}
	b.Fatal("the feed is not read")
}

// countRechecks puts a store under the bridge that counts which rechecks were asked for.
func countRechecks(b *testBridge) *recheckCounter {
	store := &recheckCounter{Store: b.Store}
	b.ReplaceStore(store)
	return store
}

type recheckCounter struct {
	bridge.Store
	begun atomic.Int32
}

func (s *recheckCounter) BeginRecheck(ctx context.Context, start bridge.RecheckStart) (bridge.Recheck, error) {
	s.begun.Add(1)
	return s.Store.BeginRecheck(ctx, start)
}

// readsFromStore returns how many lookups were not answered from the cache.
func readsFromStore(b *testBridge) (reads int) {
	b.Helper()
	_, value, _ := strings.Cut(b.Metrics(), `bridge_lookup_reads_total{answered="true"} `)
	value, _, _ = strings.Cut(value, "\n")
	reads, err := strconv.Atoi(value)
	if err != nil {
		b.Fatal(err)
	}
	return reads
}

// A configuration under which claims mean something else suspends a link, and never renews its claims.
func TestRecheckUnderAnotherClaim(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*upstream.Config){
		"groups_claim": func(c *upstream.Config) { c.GroupsClaim = []string{"departments"} },
		"email_claim":  func(c *upstream.Config) { c.EmailClaim = []string{"mail"} },
	} {
		b := startBridge(t, offline())
		token := b.Link()
		before, kept := b.theLink(), b.Config.Providers[0]
		change(&b.Config.Providers[0])
		b.Restart()
		b.ada(func(p *upstreamtest.Person) {
			p.Claims = map[string]any{"departments": []string{"kitchen"}, "mail": "other@contoso.com"}
		})
		b.Clock.Advance(24 * time.Hour)
		b.Server.Recheck(t.Context())
		b.wantOutcome("alive", "1")
		if after := b.theLink(); !reflect.DeepEqual(after.Claims, before.Claims) {
			t.Errorf("%s: claims %v, want %v", name, after.Claims, before.Claims)
		}
		b.Config.Providers[0] = kept
		b.Restart()
		b.WantActive(token)
	}
}

// A reload does not cut off a question that was asked: its answer may have the only refresh token that is good.
func TestRetireLetsRecheckEnd(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	asked, answered := make(chan bool), make(chan bool, 1) // whether the bridge has waited
	b := startBridge(t, offline(), func(b *testBridge) {
		b.WrapProvider = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if slow.Load() && r.URL.Path == "/oauth/token" {
					asked <- true
					select {
					case <-r.Context().Done():
						answered <- false
						return
					case <-time.After(1500 * time.Millisecond): // longer than a recheck may take when the process stops
					}
					defer func() { answered <- true }()
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	token := b.Link()
	linked := b.theLink().CheckedAt
	stop := b.RunBackground()
	b.Clock.Advance(time.Hour)
	slow.Store(true)
	b.WantActive(token)
	<-asked
	b.Server.Retire()
	if !<-answered {
		t.Error("the question was cut off")
	}
	stop()
	if link := b.theLink(); !link.CheckedAt.After(linked) {
		t.Error("the answer was not recorded")
	}
}
