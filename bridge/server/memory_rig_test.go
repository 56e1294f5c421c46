package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
)

// watchedStore counts what is asked of a store, and can be put out of reach or made to stand still.
type watchedStore struct {
	bridge.Store
	stop                  func() // ends the work in the background
	reads, follows, noted atomic.Int64
	broken                atomic.Bool

	mu      sync.Mutex
	reading func()          // called between a reading of the store and its answer
	hang    <-chan struct{} // ReadFeed waits for it to be closed
	change  func(*bridge.Feed)
}

func (s *watchedStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	s.reads.Add(1)
	if s.broken.Load() {
		return bridge.AccessToken{}, errBroken
	}
	found, err := s.Store.Lookup(ctx, token)
	s.mu.Lock()
	reading := s.reading
	s.mu.Unlock()
	if reading != nil {
		reading()
	}
	return found, err
}

func (s *watchedStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	s.follows.Add(1)
	s.mu.Lock()
	hang, change := s.hang, s.change
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if s.broken.Load() {
		return bridge.Feed{}, errBroken
	}
	feed, err := s.Store.ReadFeed(ctx, after)
	if change != nil {
		change(&feed)
	}
	return feed, err
}

func (s *watchedStore) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	s.noted.Add(int64(len(uses)))
	return s.Store.TouchLinks(ctx, uses)
}

// caughtUp waits until whatever is in the feed now has reached the memory: one reading that begins after this must have
// ended, which shows when the next one begins.
func (s *watchedStore) caughtUp(t *testing.T) {
	t.Helper()
	want := s.follows.Load() + 2
	for deadline := time.Now().Add(30 * time.Second); s.follows.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the feed is not followed")
		}
	}
}

// newMemoryRig returns a rig that follows the feed, on a clock that only the test moves, with a link and its token.
func newMemoryRig(t *testing.T, changes ...func(*rig)) (*rig, *watchedStore, string) {
	t.Helper()
	r := newRig(t, changes...)
	phone, request := simulator.NewPhone(), r.request()
	token := r.answer(request, r.decide(phone, r.signIn(phone, request, ada), "link")).Get("access_token")
	r.secret(token)
	r.clock.hold()
	return r, r.follow(r.store), token
}

// follow starts a bridge on a store, with its work in the background, in the place of the one there is.
func (r *rig) follow(on bridge.Store) *watchedStore {
	r.Helper()
	store := &watchedStore{Store: on}
	r.replaceStore(store)
	running := r.server
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { running.Run(ctx) })
	store.stop = func() {
		cancel()
		background.Wait()
	}
	r.Cleanup(store.stop)
	store.caughtUp(r.T)
	return store
}

func (r *rig) status(token string) (status int, retryAfter string) {
	r.Helper()
	response, _ := r.do(r.lookUpRequest(url.Values{"token": {token}}))
	return response.StatusCode, response.Header.Get("Retry-After")
}

func (r *rig) ready() bool {
	recorder := httptest.NewRecorder()
	r.server.Admin.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return recorder.Code == http.StatusOK
}
