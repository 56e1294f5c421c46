package server_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

var errBroken = errors.New("disk on fire")

// brokenStore is a store that fails or panics while the test wants it to.
type brokenStore struct {
	bridge.Store
	broken, panics, readOnly atomic.Bool
}

func (s *brokenStore) fail() error {
	if s.panics.Load() {
		panic("a mistake")
	}
	if s.broken.Load() {
		return errBroken
	}
	return nil
}

func (s *brokenStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	if err := s.fail(); err != nil {
		return bridge.AccessToken{}, err
	}
	return s.Store.Lookup(ctx, token)
}

func (s *brokenStore) CreatePendingConsent(ctx context.Context, pending bridge.PendingConsent) error {
	if s.readOnly.Load() {
		return errBroken
	}
	return s.Store.CreatePendingConsent(ctx, pending)
}

func (s *brokenStore) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	if err := s.fail(); err != nil {
		return bridge.PendingConsent{}, err
	}
	return s.Store.PendingConsent(ctx, handle, now)
}

func (s *brokenStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	if err := s.fail(); err != nil {
		return bridge.Feed{}, err
	}
	return s.Store.ReadFeed(ctx, after)
}

// staleStore is a store as a replica sees it that read a moment too early: it does not find the first pending
// consent.
type staleStore struct {
	bridge.Store
	read atomic.Bool
}

func (s *staleStore) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	if !s.read.Swap(true) {
		return bridge.PendingConsent{}, bridge.ErrNotFound
	}
	return s.Store.PendingConsent(ctx, handle, now)
}

// watchedStore counts calls, and can fail, block, or change what it returns.
type watchedStore struct {
	bridge.Store
	stop             func()        // stops Server.Run
	wake             chan struct{} // makes WaitForEvents return
	lookups, touched atomic.Int64
	broken           atomic.Bool

	mu          sync.Mutex
	afterLookup func()
	feedBlock   <-chan struct{} // ReadFeed waits until it is closed
	changeFeed  func(*bridge.Feed)
}

// watchStore puts a watched store on top of another under the running bridge, and starts Server.Run.
func watchStore(b *testBridge, store bridge.Store) *watchedStore {
	b.Helper()
	watched := &watchedStore{Store: store, wake: make(chan struct{})}
	b.ReplaceStore(watched)
	watched.stop = b.RunBackground()
	watched.wantFeedRead(b)
	return watched
}

// set changes what the store does from now on.
func (s *watchedStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// blockFeed lets ReadFeed block until the test ends.
func (s *watchedStore) blockFeed(t *testing.T) {
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	s.set(func() { s.feedBlock = block })
}

func (s *watchedStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	s.lookups.Add(1)
	if s.broken.Load() {
		return bridge.AccessToken{}, errBroken
	}
	found, err := s.Store.Lookup(ctx, token)
	s.mu.Lock()
	after := s.afterLookup
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return found, err
}

func (s *watchedStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	s.mu.Lock()
	block, change := s.feedBlock, s.changeFeed
	s.mu.Unlock()
	if block != nil {
		<-block
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
	s.touched.Add(int64(len(uses)))
	return s.Store.TouchLinks(ctx, uses)
}

func (s *watchedStore) WaitForEvents(ctx context.Context) {
	select {
	case <-s.wake:
	case <-ctx.Done():
	}
}

// wantFeedRead waits until the bridge has processed what is in the feed now: until it waits for events, has read the
// feed after that, and waits for events again.
func (s *watchedStore) wantFeedRead(t testing.TB) {
	t.Helper()
	for range 2 {
		select {
		case s.wake <- struct{}{}:
		case <-time.After(30 * time.Second):
			t.Fatal("the feed is not read")
		}
	}
}

// deadlineStore records which methods are called, and which of them without a deadline.
type deadlineStore struct {
	bridge.Store
	mu              sync.Mutex
	called          map[string]bool
	withoutDeadline []string
}

func (s *deadlineStore) record(ctx context.Context, method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called[method] = true
	if _, ok := ctx.Deadline(); !ok {
		s.withoutDeadline = append(s.withoutDeadline, method)
	}
}

func (s *deadlineStore) CreatePendingConsent(ctx context.Context, pending bridge.PendingConsent) error {
	s.record(ctx, "CreatePendingConsent")
	return s.Store.CreatePendingConsent(ctx, pending)
}

func (s *deadlineStore) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	s.record(ctx, "PendingConsent")
	return s.Store.PendingConsent(ctx, handle, now)
}

func (s *deadlineStore) Link(ctx context.Context, handle bridge.Hash, link bridge.NewLink) error {
	s.record(ctx, "Link")
	return s.Store.Link(ctx, handle, link)
}

func (s *deadlineStore) Decide(ctx context.Context, handle bridge.Hash, decision bridge.Decision, now time.Time) error {
	s.record(ctx, "Decide "+string(decision))
	return s.Store.Decide(ctx, handle, decision, now)
}

func (s *deadlineStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	s.record(ctx, "Lookup")
	return s.Store.Lookup(ctx, token)
}

func (s *deadlineStore) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	s.record(ctx, "TouchLinks")
	return s.Store.TouchLinks(ctx, uses)
}

func (s *deadlineStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	s.record(ctx, "ReadFeed")
	return s.Store.ReadFeed(ctx, after)
}
