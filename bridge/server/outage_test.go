package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// While the store fails nothing is lost: the same page works when the store is back.
func TestStoreOutage(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	token := b.Link()
	phone := simulator.NewPhone()
	request := b.Request()
	callback := b.CallbackURL(phone, request)

	broken := &brokenStore{Store: b.Store}
	b.ReplaceStore(broken)
	broken.broken.Store(true)

	b.WantPage(b.Open(phone, callback), http.StatusServiceUnavailable, "We cannot save this right now")
	if n := b.Provider.Requests(tokenEndpoint); n != 1 {
		t.Errorf("%d codes exchanged, want 1: the exchange must wait for the store", n)
	}
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" ||
		!strings.Contains(body, "temporarily_unavailable") || strings.Contains(body, "active") {
		t.Errorf("lookup: status %d, %v, %s", response.StatusCode, response.Header, body)
	}
	broken.broken.Store(false)
	consent := b.Open(phone, callback)
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	broken.broken.Store(true)
	b.WantPage(b.Decide(phone, consent, "link"), http.StatusServiceUnavailable, "We cannot save this right now")
	broken.broken.Store(false)
	b.WantActive(b.WantToken(request, b.Decide(phone, consent, "link")))
	b.WantLinks(2)
}

// The bridge is ready while the store can be reached. The provider does not count.
func TestReadiness(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	status := func(path string) int { return b.Admin(path).Code }
	b.Provider.SetDown(true)
	for range 2 {
		if status("/healthz") != 200 || status("/readyz") != 200 {
			t.Errorf("healthz %d, readyz %d", status("/healthz"), status("/readyz"))
		}
		b.Clock.Advance(29 * time.Second)
	}
	b.Clock.Advance(2 * time.Second)
	if status("/healthz") != 200 || status("/readyz") != 503 {
		t.Errorf("after max_staleness: healthz %d, readyz %d", status("/healthz"), status("/readyz"))
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if page := b.Open(simulator.NewPhone(), b.Origin+path); page.Status != http.StatusNotFound {
			t.Errorf("%s is public", path)
		}
	}
}

// A panic gets status 500, with a reference that is on the page and in the log, and does not stop the server.
func TestPanic(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	token := b.Link()
	store := &brokenStore{Store: b.Store}
	b.ReplaceStore(store)
	store.panics.Store(true)
	page := b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada())
	b.WantPage(page, http.StatusInternalServerError, "Something went wrong on our side")
	ref, _ := b.WantLogged(map[string]any{"level": "ERROR"})["ref"].(string)
	if len(ref) != 8 || !strings.Contains(page.Body, ref) {
		t.Errorf("reference %q of the log is not on the page", ref)
	}
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	wantErrorResponse(t, response, body, http.StatusInternalServerError, "server_error")
	b.WantLogged(map[string]any{"level": "ERROR", "cause": "a mistake"})
	store.panics.Store(false)
	b.WantActive(token)
}

// Nothing waits for the store without a deadline: neither people, nor backends, nor the work in the background.
func TestStoreDeadlines(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	store := &deadlineStore{Store: b.Store, called: map[string]bool{}}
	watched := watchStore(b, store)
	phone, request := simulator.NewPhone(), b.Request()
	again := b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "switch")
	b.WantActive(b.WantToken(request, b.Decide(phone, b.SubmitLogin(phone, again, testbridge.Ada()), "link")))
	b.Decide(phone, b.SignIn(phone, b.Request(), testbridge.Ada()), "cancel")
	watched.stop()
	if len(store.withoutDeadline) > 0 {
		t.Errorf("called without a deadline: %v", store.withoutDeadline)
	}
	if want := 8; len(store.called) != want {
		t.Errorf("%d kinds of calls, want %d: %v", len(store.called), want, store.called)
	}
}
