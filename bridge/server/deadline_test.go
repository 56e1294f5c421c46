package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
)

// impatient is a store that takes down who would wait for it without end.
type impatient struct {
	bridge.Store
	mu      sync.Mutex
	calls   map[string]bool
	endless []string
}

func (s *impatient) called(ctx context.Context, method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method] = true
	if _, ends := ctx.Deadline(); !ends {
		s.endless = append(s.endless, method)
	}
}

func (s *impatient) CreatePendingConsent(ctx context.Context, pending bridge.PendingConsent) error {
	s.called(ctx, "CreatePendingConsent")
	return s.Store.CreatePendingConsent(ctx, pending)
}

func (s *impatient) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	s.called(ctx, "PendingConsent")
	return s.Store.PendingConsent(ctx, handle, now)
}

func (s *impatient) Link(ctx context.Context, handle bridge.Hash, link bridge.NewLink) error {
	s.called(ctx, "Link")
	return s.Store.Link(ctx, handle, link)
}

func (s *impatient) Decide(ctx context.Context, handle bridge.Hash, decision bridge.Decision, now time.Time) error {
	s.called(ctx, "Refuse "+string(decision))
	return s.Store.Decide(ctx, handle, decision, now)
}

func (s *impatient) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	s.called(ctx, "Lookup")
	return s.Store.Lookup(ctx, token)
}

func (s *impatient) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	s.called(ctx, "TouchLinks")
	return s.Store.TouchLinks(ctx, uses)
}

func (s *impatient) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	s.called(ctx, "ReadFeed")
	return s.Store.ReadFeed(ctx, after)
}

// Nothing waits without end for a store that hangs, as a database behind a dead network does: neither people nor backends,
// nor what is done in the background.
func TestNobodyWaitsWithoutEnd(t *testing.T) {
	r := newRig(t)
	store := &impatient{Store: r.store, calls: map[string]bool{}}
	running := r.follow(store)
	phone := simulator.NewPhone()
	request := r.request()
	again := r.submit(phone, r.signIn(phone, request, ada), url.Values{"decision": {"switch"}})
	r.wantActive(r.wantToken(request, r.decide(phone, r.fillIn(phone, again, ada), "link")))
	r.decide(phone, r.signIn(phone, r.request(), ada), "cancel")
	running.stop()
	if len(store.endless) > 0 {
		t.Errorf("waits without end: %v", store.endless)
	}
	if want := 8; len(store.calls) != want {
		t.Errorf("%d kinds of calls were seen, want %d: %v", len(store.calls), want, store.calls)
	}
}

// A panic has a reference that the person can read and the log has.
func TestPanicHasAReference(t *testing.T) {
	r := newRig(t)
	broken := &brokenStore{Store: r.store}
	r.replaceStore(broken)
	broken.panics.Store(true)
	page := r.signIn(simulator.NewPhone(), r.request(), ada)
	r.wantPage(page, http.StatusInternalServerError, "Something went wrong on our side")
	for line := range strings.Lines(r.log.String()) {
		if !strings.Contains(line, `"msg":"panic"`) {
			continue
		}
		_, rest, _ := strings.Cut(line, `"ref":"`)
		ref, _, _ := strings.Cut(rest, `"`)
		if len(ref) != 8 || !strings.Contains(page.Body, ref) {
			t.Errorf("reference %q is not on the page", ref)
		}
		return
	}
	t.Error("no panic in the log")
}
