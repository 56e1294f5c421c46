package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/testbridge"
)

// startWatched starts a bridge that reads the feed, on a clock that is held, with a link. It returns the access
// token.
func startWatched(t *testing.T, changes ...func(*testBridge)) (*testBridge, *watchedStore, string) {
	t.Helper()
	b := startBridge(t, changes...)
	b.Clock.Hold() // before the link, so that it has its age exactly, however slow the machine is
	request := b.Request()
	token := b.AuthorizationResponse(request, b.LinkRequest(request)).Get("access_token")
	return b, watchStore(b), token
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
		_, err = store.Revoke(b.Context(), bridge.LinkFilter{IDs: []string{found.Link.ID}},
			bridge.Revocation{Reason: "x", At: b.Clock.Now()})
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
		again := b.Lookup(token)
		if again.LinkID != first.LinkID || again.Claims["name"] != first.Claims["name"] || !again.Active {
			t.Errorf("%+v, want %+v", again, first)
		}
	}
	store.wantLookups(t, 1)
	request := b.NewRequest(http.MethodGet, "/userinfo", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	if response, body := b.Do(request); response.StatusCode != http.StatusOK ||
		!strings.Contains(body, `"name":"Ada Lovelace"`) {
		t.Errorf("userinfo: status %d, %s", response.StatusCode, body)
	}
	store.wantLookups(t, 1)
	if found := b.LookupAs(testbridge.LightsBackendID, testbridge.LightsSecret, token); found.Active {
		t.Errorf("another skill's backend: %+v", found)
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

// A revoked link is inactive: if this process revokes it, before the feed is read, and if the feed is broken, as after
// a database was restored, because that empties the cache. A response that was read before the link was revoked, and
// would be cached after that, is not given to later lookups.
func TestCacheRevoked(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(*testBridge, *watchedStore, string){
		"here": func(b *testBridge, store *watchedStore, token string) {
			store.blockFeed(b)
			revokeLink(b, store.Store, token)
		},
		"at a replica": func(b *testBridge, store *watchedStore, token string) {
			revokeLink(b, openReplica(b), token)
			store.wantFeedRead(b)
		},
		"in a broken feed": func(b *testBridge, store *watchedStore, token string) {
			store.set(func() { store.changeFeed = func(feed *bridge.Feed) { feed.Broken, feed.Events = true, nil } })
			revokeLink(b, openReplica(b), token)
			store.wantFeedRead(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, store, token := startWatched(t)
			during := b.Link()
			b.WantActive(token)
			revoke(b, store, token)
			b.WantInactive(token)
			var once sync.Once
			store.set(func() { store.afterLookup = func() { once.Do(func() { revoke(b, store, during) }) } })
			b.WantActive(during) // began before
			b.WantInactive(during)
		})
	}
}

// Cached lookups touch the link once an hour, and when the Alexa user changes, whose id is stored as a hash.
func TestCacheTouchesLink(t *testing.T) {
	t.Parallel()
	const userA, userB = "amzn1.ask.account.A", "amzn1.ask.account.B"
	for name, test := range map[string]struct {
		users   []string      // of the lookups
		wait    time.Duration // before the last of them
		user    string        // wanted
		touched int64         // at most
		used    time.Duration // after the start
	}{
		"within an hour": {[]string{userA, userA}, 59 * time.Minute, userA, 1, 0},
		"after an hour":  {[]string{"", userA, ""}, time.Hour, userA, 2, time.Hour},
		"another user":   {[]string{userA, userA, userB, ""}, 0, userB, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, store, token := startWatched(t)
			start := b.Clock.Now().Truncate(time.Second)
			if !b.Links()[0].LastUsedAt.IsZero() {
				t.Error("last used before the first lookup")
			}
			for i, user := range test.users {
				if i == len(test.users)-1 {
					b.Clock.Advance(test.wait)
					store.wantFeedRead(t)
				}
				lookupByUser(b, token, user)
			}
			store.stop()
			link, want := b.Links()[0], start.Add(test.used)
			if link.AlexaUser != bridge.AlexaUserHash("pizza", test.user) || !link.LastUsedAt.Equal(want) {
				t.Errorf("link %+v, want it used at %v", link, want)
			}
			if n := store.touched.Load(); n > test.touched {
				t.Errorf("%d uses written, want at most %d", n, test.touched)
			}
			store.wantLookups(t, 1)
			if strings.Contains(readDatabase(b), "amzn1.ask") {
				t.Error("the database contains the Alexa user id")
			}
		})
	}
}

// A link that another replica touched within the hour is cached without touching it again.
func TestCacheOfTouchedLink(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	store.stop()
	again := watchStore(b)
	b.WantActive(token)
	b.WantActive(token)
	again.stop()
	again.wantLookups(t, 1)
	if n := again.touched.Load(); n != 0 {
		t.Errorf("%d uses written, want none", n)
	}
}
