package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
)

// metricsOf returns what the admin handler says of metrics.
func metricsOf(t *testing.T, s *server.Server) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.Admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(recorder.Body)
	if err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("status %d, %v", recorder.Code, err)
	}
	return string(text)
}

// TestRetire verifies what a server does whose place another one has taken: it still answers, by the store, and records
// the last uses when its Run ends.
func TestRetire(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	b.Lookup(token)
	b.Server.Retire()
	store.wantLookups(t, 1)
	if size := metricsOf(t, b.Server); !strings.Contains(size, "\nbridge_lookup_memory_bytes 0\n") {
		t.Error("the memory of the cache was not freed")
	}
	b.Clock.Advance(2 * bridge.UseGrain)
	for range 2 {
		if !b.Lookup(token).Active {
			t.Error("a retired server does not answer")
		}
	}
	store.wantLookups(t, 3)
	revokeLink(b, b.Store, token)
	if b.Lookup(token).Active {
		t.Error("a revoked token is active")
	}
	store.stop()
	if used := b.Links()[0].LastUsedAt; !used.Equal(b.Clock.Now().Truncate(time.Second)) {
		t.Errorf("last used %v, want %v", used, b.Clock.Now())
	}
}

// askedStore is a store in which no recheck is found, until the context of the question ends.
type askedStore struct {
	bridge.Store
	asked chan struct{}
	ended chan error
}

func (s *askedStore) DueRechecks(ctx context.Context, _ string, _ time.Time, _ int) ([]string, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	s.ended <- ctx.Err()
	return nil, ctx.Err()
}

// TestRetireEndsRechecks verifies that a server whose place another one has taken begins no recheck, which would be
// decided by its configuration.
func TestRetireEndsRechecks(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {Offline: true, RecheckAfter: time.Hour}}
	})
	store := &askedStore{b.Store, make(chan struct{}, 10), make(chan error, 10)}
	b.ReplaceStore(store)
	b.RunBackground()
	<-store.asked
	b.Server.Retire()
	if err := <-store.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the question ends with %v", err)
	}
}

// TestWaitReady waits for a server that cannot read the feed, and for the same one when it can.
func TestWaitReady(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	store := hookStore(b)
	store.be(failing("ReadFeed"))
	b.RunBackground()
	b.Logs.Wait(t, 0, "store out of reach")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Server.WaitReady(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("ready: %v", err)
	}
	store.be(working)
	if err := b.Server.WaitReady(t.Context()); err != nil {
		t.Error(err)
	}
}
