package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
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

	store := hookStore(b)
	store.be(failing())

	b.WantPage(b.Open(phone, callback), http.StatusServiceUnavailable, "We cannot save this right now")
	b.WantExchanges(1) // of the first link: the exchange must wait for the store
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" ||
		!strings.Contains(body, "temporarily_unavailable") || strings.Contains(body, "active") {
		t.Errorf("lookup: status %d, %v, %s", response.StatusCode, response.Header, body)
	}
	store.be(working)
	consent := b.Open(phone, callback)
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	store.be(failing())
	b.WantPage(b.Decide(phone, consent, "link"), http.StatusServiceUnavailable, "We cannot save this right now")
	store.be(working)
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
	store := hookStore(b)
	store.be(func(context.Context, string) error { panic("a mistake") })
	page := b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada())
	b.WantPage(page, http.StatusInternalServerError, "Something went wrong on our side")
	ref, _ := b.WantLogged(map[string]any{"level": "ERROR"})["ref"].(string)
	if len(ref) != 8 || !strings.Contains(page.Body, ref) {
		t.Errorf("reference %q of the log is not on the page", ref)
	}
	response, body := b.Do(lookupRequest(b, url.Values{"token": {token}}))
	wantErrorResponse(t, response, body, http.StatusInternalServerError, "server_error")
	b.WantLogged(map[string]any{"level": "ERROR", "cause": "a mistake"})
	store.be(working)
	b.WantActive(token)
}

// Nothing waits for the store without a deadline: neither people, nor backends, nor the work in the background.
func TestStoreDeadlines(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	var mu sync.Mutex
	called, withoutDeadline := map[string]bool{}, []string{}
	store := watchStore(b)
	store.be(func(ctx context.Context, method string) error {
		mu.Lock()
		defer mu.Unlock()
		called[method] = true
		if _, ok := ctx.Deadline(); !ok {
			withoutDeadline = append(withoutDeadline, method)
		}
		return nil
	})
	phone, request := simulator.NewPhone(), b.Request()
	again := b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "switch")
	b.WantActive(b.WantToken(request, b.Decide(phone, b.SubmitLogin(phone, again, testbridge.Ada()), "link")))
	b.Decide(phone, b.SignIn(phone, b.Request(), testbridge.Ada()), "cancel")
	store.wantFeedRead(t)
	store.stop()
	if len(withoutDeadline) > 0 || len(called) != 9 {
		t.Errorf("called without a deadline: %v; called %v, want 9 kinds of calls", withoutDeadline, called)
	}
}
