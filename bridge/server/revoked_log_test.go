package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestRevocationsAreLogged revokes links here, elsewhere and in a crowd. The log tells each once, with who did it.
func TestRevocationsAreLogged(t *testing.T) {
	t.Parallel()
	b, store, token := startWatched(t)
	wantLines := func(message string, want int) {
		t.Helper()
		store.wantFeedRead(t)
		if n := strings.Count(b.Logs.String(), `"msg":"`+message+`"`); n != want {
			t.Errorf("%d lines %q, want %d:\n%s", n, message, want, b.Logs)
		}
	}
	request := b.NewRequest(http.MethodPost, "/revoke", url.Values{"token": {token}})
	request.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	b.Do(request)
	wantLines("link revoked", 1)
	b.WantLogged(map[string]any{"msg": "link revoked", "level": "INFO", "link_id": b.Links()[0].ID, "client_id": "pizza",
		"reason": "client", "actor": "backend:" + testbridge.BackendID})

	elsewhere, second := openReplica(b), b.Link()
	found, err := elsewhere.Lookup(t.Context(), bridge.HashOf(second))
	if err != nil {
		t.Fatal(err)
	}
	revoke := func(filter bridge.LinkFilter, reason bridge.Reason) {
		t.Helper()
		by := bridge.Revocation{Reason: reason, Actor: "command:ada@host", At: b.Clock.Now()}
		if _, err := elsewhere.Revoke(t.Context(), filter, by); err != nil {
			t.Fatal(err)
		}
	}
	revoke(bridge.LinkFilter{IDs: []string{found.Link.ID}}, bridge.ReasonRefreshReplayed)
	wantLines("link revoked", 2)
	b.WantLogged(map[string]any{"msg": "link revoked", "level": "WARN", "link_id": found.Link.ID,
		"reason": "refresh_replayed", "actor": "command:ada@host"})

	for i := range 101 {
		handle := bridge.HashOf(fmt.Sprint("handle ", i))
		pending := bridge.PendingConsent{Handle: handle, ExpiresAt: b.Clock.Now().Add(bridge.PendingConsentLifetime)}
		link := bridge.NewLink{Link: bridge.Link{ID: bridge.NewLinkID(), ClientID: "lights", CreatedAt: b.Clock.Now()},
			Token: bridge.HashOf(fmt.Sprint("token ", i))}
		if err := b.Store.CreatePendingConsent(t.Context(), pending); err != nil {
			t.Fatal(err)
		}
		if err := b.Store.Link(t.Context(), handle, link); err != nil {
			t.Fatal(err)
		}
	}
	revoke(bridge.LinkFilter{ClientID: "lights"}, bridge.ReasonOperator)
	wantLines("links revoked", 2)
	wantLines("link revoked", 2)
	logged := b.WantLogged(map[string]any{"msg": "links revoked", "count": 100.0, "client_id": "lights",
		"reason": "operator", "actor": "command:ada@host"})
	if ids, _ := logged["link_ids"].([]any); len(ids) != 100 {
		t.Errorf("%d ids, want 100", len(ids))
	}
	b.WantLogged(map[string]any{"msg": "links revoked", "count": 1.0})

	store.set(func() { store.changeFeed = func(feed *bridge.Feed) { feed.Broken, feed.Events = true, nil } })
	revoke(bridge.LinkFilter{}, bridge.ReasonOperator)
	store.wantFeedRead(t)
	b.WantLogged(map[string]any{"msg": "revocations not known", "level": "WARN"})
	store.set(func() { store.changeFeed = nil })
	b.Restart() // which replays nothing
	watchStore(b).wantFeedRead(t)
	if n := strings.Count(b.Logs.String(), `"msg":"link revoked"`); n != 2 {
		t.Errorf("%d lines after a restart, want 2", n)
	}
}
