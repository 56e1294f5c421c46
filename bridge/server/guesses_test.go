package server_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// slowStore is a store that answers requests about unknown tokens when told to, once it is slow.
type slowStore struct {
	bridge.Store
	slow            atomic.Bool
	arrived, answer chan struct{}
}

// guessesAtOnce is how many requests with invented tokens a test sends at once; they are more than may wait.
const guessesAtOnce = 80

// slowDown puts a slow store under the running bridge. It is not slow yet.
func slowDown(b *testBridge) *slowStore {
	b.Helper()
	s := &slowStore{Store: b.Store, arrived: make(chan struct{}, guessesAtOnce), answer: make(chan struct{})}
	b.ReplaceStore(s)
	return s
}

func (s *slowStore) wait(err error) {
	if err != nil && s.slow.Load() {
		s.arrived <- struct{}{}
		<-s.answer
	}
}

func (s *slowStore) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	found, err := s.Store.Lookup(ctx, token)
	s.wait(err)
	return found, err
}

func (s *slowStore) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, by bridge.Revocation,
) (bridge.Link, error) {
	link, err := s.Store.RevokeByToken(ctx, token, clients, by)
	s.wait(err)
	return link, err
}

// wantFewAtOnce sends guesses at once, and verifies that two reach the store, some wait, and the others get 429. It
// calls meanwhile before the store answers; after that those that waited get a status.
func (s *slowStore) wantFewAtOnce(t *testing.T, guess func() int, waiting int, meanwhile func(), status int) {
	t.Helper()
	const ask = 2
	s.slow.Store(true)
	answer := sync.OnceFunc(func() { close(s.answer) })
	defer answer()
	statuses := make(chan int, guessesAtOnce)
	for range guessesAtOnce {
		go func() { statuses <- guess() }()
	}
	for asked, refused := 0, 0; asked < ask || refused < guessesAtOnce-ask-waiting; {
		select {
		case <-s.arrived:
			if asked++; asked > ask {
				t.Fatalf("the store is asked for more than %d at once", ask)
			}
		case got := <-statuses:
			if refused++; got != http.StatusTooManyRequests {
				t.Errorf("one too many: status %d, want 429", got)
			}
		}
	}
	meanwhile()
	if n := len(s.arrived); n != 0 {
		t.Errorf("the store is asked for %d more at once", n)
	}
	answer()
	for range ask + waiting {
		if got := <-statuses; got != status {
			t.Errorf("status %d, want %d", got, status)
		}
	}
}

// TestManyGuessesAtOnce invents tokens at /userinfo after too many of them, more at once than the store is asked.
// Live tokens are answered meanwhile, those of the same address in their turn.
func TestManyGuessesAtOnce(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 3))
	b.Clock.Hold()
	store, token := slowDown(b), b.Link()
	userinfo := func(token, address string) int {
		return status(b, "GET", "/userinfo", nil, header("Authorization", "Bearer "+token), forwarded(address))
	}
	guess := func() int { return userinfo(bridge.NewRandomToken(bridge.AccessTokenKind), stranger) }
	for range 3 {
		guess()
	}
	if got := userinfo(token, stranger); got != http.StatusOK {
		t.Errorf("a live token of the same address: status %d", got)
	}
	store.wantFewAtOnce(t, guess, 64, func() {
		if got := userinfo(token, honest); got != http.StatusOK {
			t.Errorf("a live token from another address: status %d", got)
		}
	}, http.StatusTooManyRequests)
}

// TestManyRevocationsAtOnce lets one address revoke invented tokens of a skill without a secret, more at once than the
// store is asked. Others revoke meanwhile.
func TestManyRevocationsAtOnce(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 100))
	store, token := slowDown(b), b.Link()
	revoke := func(token, address string) int {
		form := url.Values{"client_id": {"pizza"}, "token": {token}}
		return status(b, "POST", "/revoke", form, forwarded(address))
	}
	guess := func() int { return revoke(bridge.NewRandomToken(bridge.AccessTokenKind), stranger) }
	store.wantFewAtOnce(t, guess, 8, func() {
		if got := revoke(token, honest); got != http.StatusOK {
			t.Errorf("a live token from another address: status %d", got)
		}
		b.WantInactive(token)
	}, http.StatusOK)
}
