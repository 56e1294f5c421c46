package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// wantUnavailable checks that a lookup gets 503 with Retry-After.
func wantUnavailable(b *testBridge, token string) {
	b.Helper()
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		b.Errorf("status %d, Retry-After %q, want 503: %s", response.StatusCode, response.Header.Get("Retry-After"), body)
	}
}

func wantReady(b *testBridge, status int) {
	b.Helper()
	if got := b.Admin("/readyz").Code; got != status {
		b.Errorf("readyz %d, want %d", got, status)
	}
}

// While the store fails, cached tokens are active for max_staleness from the last reading of the feed.
func TestStaleness(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	notCached := b.Link()
	b.Clock.Advance(10 * time.Second)
	store.wantFeedRead(t)
	store.be(failing("Lookup", "ReadFeed"))
	store.wantFeedRead(t)

	b.Clock.Advance(30*time.Second - time.Nanosecond)
	store.wantFeedRead(t) // fails
	b.WantActive(token)
	wantUnavailable(b, notCached)
	wantReady(b, http.StatusOK)
	b.Clock.Advance(time.Nanosecond)
	wantUnavailable(b, token)
	wantReady(b, http.StatusServiceUnavailable)

	revokeLink(b, b.Store, notCached)
	store.be(working)
	store.wantFeedRead(t)
	b.WantActive(token)
	b.WantInactive(notCached)
	wantReady(b, http.StatusOK)
	b.WantLogged(map[string]any{"level": "ERROR", "error": errBroken.Error()})
	b.WantLogged(map[string]any{"msg": "store reached again"})
}

// A process that did not read the feed for a while, as one that was suspended, looks tokens up in the store until it
// has. Only if the store fails it uses the cache.
func TestStalenessWithoutFeed(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	other := b.Link()
	b.WantActive(token)
	b.WantActive(other)
	store.blockFeed(t)
	revokeLink(b, openReplica(b), token)
	b.Clock.Advance(5 * time.Second)
	b.WantInactive(token)
	store.be(failing("Lookup", "ReadFeed"))
	b.WantActive(other)
	b.Clock.Advance(25 * time.Second)
	wantUnavailable(b, other)
}

// Staleness counts from the beginning of a reading, which may not have what was revoked after that.
func TestStalenessOfSlowFeed(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.WantActive(token)
	store.set(func() {
		store.changeFeed = func(*bridge.Feed) { // the last reading takes 20 seconds
			store.be(failing("Lookup", "ReadFeed"))
			b.Clock.Advance(20 * time.Second)
		}
	})
	store.wantFeedRead(t)
	b.Clock.Advance(10*time.Second - time.Nanosecond)
	b.WantActive(token)
	b.Clock.Advance(time.Nanosecond)
	wantUnavailable(b, token)
	wantReady(b, http.StatusServiceUnavailable)
}

// Staleness and expiry are judged when the body has been read, however long that takes.
func TestSlowRequestBody(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t, func(b *testBridge) { b.Skill.ImplicitLifetime = time.Hour })
	b.WantActive(token)
	lookup := func(wait func()) *httptest.ResponseRecorder {
		request := lookupRequest(b, url.Values{"token": {token}})
		request.Body = &slowBody{Reader: request.Body, wait: wait}
		recorder := httptest.NewRecorder()
		b.Server.Public.ServeHTTP(recorder, request)
		return recorder
	}
	store.be(failing("Lookup", "ReadFeed"))
	store.wantFeedRead(t)
	if stale := lookup(func() { b.Clock.Advance(30 * time.Second) }); stale.Code != http.StatusServiceUnavailable {
		t.Errorf("after max_staleness: status %d, %s", stale.Code, stale.Body)
	}
	store.be(working)
	store.wantFeedRead(t)
	b.WantActive(token)
	expired := lookup(func() {
		b.Clock.Advance(time.Hour)
		store.wantFeedRead(t)
	})
	if expired.Body.String() != inactive {
		t.Errorf("after the token expired: %s", expired.Body)
	}
}

// slowBody waits before its first byte.
type slowBody struct {
	io.Reader
	wait func()
	once sync.Once
}

func (s *slowBody) Read(p []byte) (int, error) {
	s.once.Do(s.wait)
	return s.Reader.Read(p)
}

func (s *slowBody) Close() error { return nil }
