package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// brokenLinks is a store that can be told to list no links, or to end none.
type brokenLinks struct {
	bridge.Store
	list, revoke atomic.Bool
}

func (s *brokenLinks) Links(ctx context.Context, filter bridge.LinkFilter) ([]bridge.Link, error) {
	if s.list.Load() {
		return nil, errBroken
	}
	return s.Store.Links(ctx, filter)
}

func (s *brokenLinks) Revoke(ctx context.Context, filter bridge.LinkFilter, by bridge.Revocation) (
	[]bridge.Link, error) {
	if s.revoke.Load() {
		return nil, errBroken
	}
	return s.Store.Revoke(ctx, filter, by)
}

func TestLinksWithoutStore(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	_, id := b.LinkSkill("pizza", testbridge.Ada())
	store := &brokenLinks{Store: b.Store}
	b.ReplaceStore(store)
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	store.revoke.Store(true)
	b.WantPage(b.Unlink(phone, page, id), http.StatusServiceUnavailable, "We cannot reach your links right now")
	store.list.Store(true)
	failed := b.Open(phone, b.Origin+"/links")
	b.WantPage(failed, http.StatusServiceUnavailable, "We cannot reach your links right now")
	if failed.Header.Get("Retry-After") == "" || strings.Contains(failed.Body, "disk") {
		t.Errorf("header %v:\n%s", failed.Header, failed.Body)
	}
	b.WantLogged(map[string]any{"level": "ERROR", "reason": "links_unavailable", "route": "/links/unlink"})
	store.list.Store(false)
	store.revoke.Store(false)
	b.WantPage(b.Unlink(phone, page, id), http.StatusOK, "Contoso Pizza is unlinked.")
}
