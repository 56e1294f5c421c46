package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/testbridge"
)

// startWatched starts a bridge that reads the feed, on a clock that is held, with a link. It returns the access
// token.
func startWatched(t *testing.T, changes ...func(*testBridge)) (*testBridge, *watchedStore, string) {
	t.Helper()
	b := startBridge(t, changes...)
	request := b.Request()
	token := b.AuthorizationResponse(request, b.LinkRequest(request)).Get("access_token")
	b.Clock.Hold()
	return b, watchStore(b, b.Store), token
}

// openReplica opens the database of the bridge once more, as another replica does.
func openReplica(b *testBridge) bridge.Store {
	b.Helper()
	replica, err := sqlstore.Open(b.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: b.Database})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { replica.Close() })
	return replica
}

// revokeLink revokes the link of an access token in a store.
func revokeLink(b *testBridge, store bridge.Store, token string) {
	b.Helper()
	found, err := store.Lookup(b.Context(), bridge.HashOf(token))
	if err == nil {
		_, err = store.Revoke(b.Context(), bridge.LinkFilter{IDs: []string{found.Link.ID}}, "x", b.Clock.Now())
	}
	if err != nil {
		b.Fatal(err)
	}
}

func (s *watchedStore) wantLookups(t *testing.T, n int64) {
	t.Helper()
	if got := s.lookups.Load(); got != n {
		t.Errorf("%d lookups in the store, want %d", got, n)
	}
}

// lookupByUser looks a token up for an Alexa user.
func lookupByUser(b *testBridge, token, user string) {
	b.Helper()
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}, "alexa_user_id": {user}}))
	if response.StatusCode != http.StatusOK {
		b.Fatalf("status %d: %s", response.StatusCode, body)
	}
}

// Active tokens are cached, for all endpoints. Unknown ones are looked up each time, except what cannot be a token.
func TestCache(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	first := b.Lookup(token)
	for range 5 {
		if again := b.Lookup(token); again.LinkID != first.LinkID || again.Claims["name"] != first.Claims["name"] || !again.Active {
			t.Errorf("%+v, want %+v", again, first)
		}
	}
	store.wantLookups(t, 1)
	request := b.NewRequest(http.MethodGet, "/userinfo", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	if response, body := b.Do(request); response.StatusCode != http.StatusOK || !strings.Contains(body, `"name":"Ada Lovelace"`) {
		t.Errorf("userinfo: status %d, %s", response.StatusCode, body)
	}
	store.wantLookups(t, 1)
	lights := &lookup.Client{Endpoint: b.Origin + "/lookup", ID: testbridge.LightsBackendID, Secret: testbridge.LightsSecret}
	if response, err := lights.Lookup(t.Context(), token); err != nil || response.Active {
		t.Errorf("another skill's backend: %+v, %v", response, err)
	}
	unknown := bridge.NewRandomToken(bridge.AccessTokenKind)
	for range 3 {
		b.WantInactive(unknown)
	}
	b.WantInactive("not a token")
	store.wantLookups(t, 4)
	b.WantMetric(`bridge_lookup_reads_total{answered="true"} 4`)
}

func TestCacheExpiry(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t, func(b *testBridge) { b.Skill.ImplicitLifetime = 6 * time.Minute })
	b.WantActive(token)
	b.Clock.Advance(6*time.Minute - time.Second)
	store.wantFeedRead(t)
	b.WantActive(token)
	b.Clock.Advance(time.Second)
	store.wantFeedRead(t)
	b.WantInactive(token)
	store.wantLookups(t, 1)
}

// A link that this process revokes is inactive at once, before the feed is read.
func TestCacheRevokedHere(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	store.blockFeed(t)
	revokeLink(b, store, token)
	b.WantInactive(token)
}

func TestCacheRevokedAtReplica(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	revokeLink(b, openReplica(b), token)
	store.wantFeedRead(t)
	b.WantInactive(token)
}

// A response that was read before the link was revoked, and would be cached after that, is not given to later
// lookups.
func TestCacheRevokedDuringLookup(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(*testBridge, *watchedStore, string){
		"at a replica": func(b *testBridge, store *watchedStore, token string) {
			revokeLink(b, openReplica(b), token)
			store.wantFeedRead(b)
		},
		"here": func(b *testBridge, store *watchedStore, token string) { revokeLink(b, store.Store, token) },
		"in a broken feed": func(b *testBridge, store *watchedStore, token string) {
			store.set(func() { store.changeFeed = func(feed *bridge.Feed) { feed.Broken, feed.Events = true, nil } })
			revokeLink(b, openReplica(b), token)
			store.wantFeedRead(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, store, token := startWatched(t)
			var once sync.Once
			store.set(func() { store.afterLookup = func() { once.Do(func() { revoke(b, store, token) }) } })
			b.WantActive(token) // began before
			b.WantInactive(token)
		})
	}
}

// Cached lookups touch the link once an hour, and when the Alexa user changes.
func TestCacheTouchesLink(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	used := b.Clock.Now().Truncate(time.Second)
	lookupByUser(b, token, "amzn1.ask.account.A")
	b.Clock.Advance(59 * time.Minute)
	store.wantFeedRead(t)
	lookupByUser(b, token, "amzn1.ask.account.A")
	store.stop()
	link := b.Links()[0]
	if n := store.touched.Load(); n != 1 || link.AlexaUser != bridge.HashOf("amzn1.ask.account.A") || !link.LastUsedAt.Equal(used) {
		t.Errorf("%d uses written, link %+v, last use want %v", n, link, used)
	}
	store.wantLookups(t, 1)
}

func TestCacheTouchesLinkAfterAnHour(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	b.Clock.Advance(time.Hour)
	store.wantFeedRead(t)
	lookupByUser(b, token, "amzn1.ask.account.B")
	b.WantActive(token)
	store.stop()
	link := b.Links()[0]
	if now := b.Clock.Now().Truncate(time.Second); link.AlexaUser != bridge.HashOf("amzn1.ask.account.B") || !link.LastUsedAt.Equal(now) {
		t.Errorf("link %+v, want it used by B at %v", link, now)
	}
}

func TestCacheTouchesLinkForAnotherUser(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	for _, user := range []string{"amzn1.ask.account.A", "amzn1.ask.account.A", "amzn1.ask.account.B", ""} {
		lookupByUser(b, token, user)
	}
	store.stop()
	if link := b.Links()[0]; link.AlexaUser != bridge.HashOf("amzn1.ask.account.B") {
		t.Errorf("link %+v, want it used by B", link)
	}
}

// A link that another replica touched within the hour is cached without touching it again.
func TestCacheOfTouchedLink(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	store.stop()
	again := watchStore(b, b.Store)
	b.WantActive(token)
	b.WantActive(token)
	again.stop()
	again.wantLookups(t, 1)
	if n := again.touched.Load(); n != 0 {
		t.Errorf("%d uses written, want none", n)
	}
}
