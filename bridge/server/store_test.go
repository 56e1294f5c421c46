package server_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

var errBroken = errors.New("disk on fire")

// hook is called with the context and the name of a method of the store before the method. Its error fails the call.
type hook func(ctx context.Context, method string) error

// failing is the hook of a store that fails at some methods, or at all of them if none is named.
func failing(methods ...string) hook {
	return func(_ context.Context, method string) error {
		if len(methods) == 0 || slices.Contains(methods, method) {
			return errBroken
		}
		return nil
	}
}

// working is the hook of a store that works.
func working(context.Context, string) error { return nil }

// hookedStore is a store with a hook.
type hookedStore struct {
	bridge.Store
	hook atomic.Value
}

// hookStore puts a hooked store, which works at first, under the running bridge.
func hookStore(b *testBridge) *hookedStore {
	b.Helper()
	hooked := &hookedStore{Store: b.Store}
	hooked.be(working)
	b.ReplaceStore(hooked)
	return hooked
}

// be sets the hook.
func (s *hookedStore) be(hook hook) { s.hook.Store(hook) }

func (s *hookedStore) call(ctx context.Context, method string) error {
	return s.hook.Load().(hook)(ctx, method)
}

func (s *hookedStore) CreatePendingConsent(ctx context.Context, pending bridge.PendingConsent) error {
	if err := s.call(ctx, "CreatePendingConsent"); err != nil {
		return err
	}
	return s.Store.CreatePendingConsent(ctx, pending)
}

func (s *hookedStore) PendingConsent(ctx context.Context, handle bridge.Hash,
	now time.Time) (bridge.PendingConsent, error) {
	if err := s.call(ctx, "PendingConsent"); err != nil {
		return bridge.PendingConsent{}, err
	}
	return s.Store.PendingConsent(ctx, handle, now)
}

func (s *hookedStore) Link(ctx context.Context, handle bridge.Hash, link bridge.NewLink) error {
	if err := s.call(ctx, "Link"); err != nil {
		return err
	}
	return s.Store.Link(ctx, handle, link)
}

func (s *hookedStore) Decide(ctx context.Context, handle bridge.Hash, decision bridge.Decision, now time.Time) error {
	if err := s.call(ctx, "Decide "+string(decision)); err != nil {
		return err
	}
	return s.Store.Decide(ctx, handle, decision, now)
}

func (s *hookedStore) Revoke(ctx context.Context, filter bridge.LinkFilter,
	by bridge.Revocation) ([]bridge.Link, error) {
	if err := s.call(ctx, "Revoke"); err != nil {
		return nil, err
	}
	return s.Store.Revoke(ctx, filter, by)
}

func (s *hookedStore) TieAlexaUser(ctx context.Context, tie bridge.AlexaTie) (bridge.Link, error) {
	if err := s.call(ctx, "TieAlexaUser"); err != nil {
		return bridge.Link{}, err
	}
	return s.Store.TieAlexaUser(ctx, tie)
}

func (s *hookedStore) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, by bridge.Revocation) (
	bridge.Link, error) {
	if err := s.call(ctx, "RevokeByToken"); err != nil {
		return bridge.Link{}, err
	}
	return s.Store.RevokeByToken(ctx, token, clients, by)
}

func (s *hookedStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	if err := s.call(ctx, "Lookup"); err != nil {
		return bridge.AccessToken{}, err
	}
	return s.Store.Lookup(ctx, token)
}

func (s *hookedStore) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	if err := s.call(ctx, "TouchLinks"); err != nil {
		return err
	}
	return s.Store.TouchLinks(ctx, uses)
}

func (s *hookedStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	if err := s.call(ctx, "ReadFeed"); err != nil {
		return bridge.Feed{}, err
	}
	return s.Store.ReadFeed(ctx, after)
}

// watchedStore is a hooked store that counts calls, and can change what it returns.
type watchedStore struct {
	*hookedStore
	stop             func()        // stops Server.Run
	wake             chan struct{} // makes WaitForEvents return
	lookups, touched atomic.Int64

	mu          sync.Mutex
	afterLookup func()
	changeFeed  func(*bridge.Feed)
}

// watchStore puts a watched store under the running bridge, and starts Server.Run.
func watchStore(b *testBridge) *watchedStore {
	b.Helper()
	watched := &watchedStore{hookedStore: hookStore(b), wake: make(chan struct{})}
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
func (s *watchedStore) blockFeed(t testing.TB) {
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	s.be(func(_ context.Context, method string) error {
		if method == "ReadFeed" {
			<-block
		}
		return nil
	})
}

func (s *watchedStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	s.lookups.Add(1)
	found, err := s.hookedStore.Lookup(ctx, token)
	s.mu.Lock()
	after := s.afterLookup
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return found, err
}

func (s *watchedStore) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	feed, err := s.hookedStore.ReadFeed(ctx, after)
	s.mu.Lock()
	change := s.changeFeed
	s.mu.Unlock()
	if err == nil && change != nil {
		change(&feed)
	}
	return feed, err
}

func (s *watchedStore) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	s.touched.Add(int64(len(uses)))
	return s.hookedStore.TouchLinks(ctx, uses)
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
