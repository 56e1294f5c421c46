package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/sqlstore"
)

func TestAnswersFromMemory(t *testing.T) {
	r, store, token := newMemoryRig(t)
	first := r.lookup(token)
	for range 5 {
		if again := r.lookup(token); again.LinkID != first.LinkID || again.Claims["name"] != first.Claims["name"] || !again.Active {
			t.Errorf("%+v, want %+v", again, first)
		}
	}
	if reads := store.reads.Load(); reads != 1 {
		t.Errorf("%d readings of the store", reads)
	}
	request := r.newRequest(http.MethodGet, "/userinfo", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	userinfo, body := r.do(request)
	if userinfo.StatusCode != http.StatusOK || !strings.Contains(body, `"name":"Ada Lovelace"`) || store.reads.Load() != 1 {
		t.Errorf("userinfo: status %d, %s, %d readings", userinfo.StatusCode, body, store.reads.Load())
	}
	lights := &lookup.Client{Endpoint: r.origin + "/lookup", ID: "lights-backend", Secret: otherSecret}
	if answer, err := lights.Lookup(t.Context(), token); err != nil || answer.Active {
		t.Errorf("another skill's backend: %+v, %v", answer, err)
	}
	unknown := bridge.NewRandomToken(bridge.AccessTokenKind)
	for range 3 {
		if r.lookup(unknown).Active {
			t.Error("an unknown token is active")
		}
	}
	r.lookup("no token at all")
	if reads := store.reads.Load(); reads != 4 {
		t.Errorf("%d readings; every look at an unknown token is one, and a look at what is no token is none", reads)
	}
	r.wantMetric(`bridge_lookup_reads_total{answered="true"} 4`)
}

func TestExpiryIsCheckedInMemory(t *testing.T) {
	r, store, token := newMemoryRig(t, func(r *rig) { r.skill.ImplicitLifetime = 6 * time.Minute })
	r.wantActive(token)
	r.clock.advance(6*time.Minute - time.Second)
	store.caughtUp(t)
	r.wantActive(token)
	r.clock.advance(time.Second)
	store.caughtUp(t)
	if r.lookup(token).Active {
		t.Error("active after its time")
	}
	if reads := store.reads.Load(); reads != 1 {
		t.Errorf("%d readings of the store", reads)
	}
}

// other is a second process on the same database.
func (r *rig) otherStore() bridge.Store {
	r.Helper()
	other, err := sqlstore.Open(r.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: r.database})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { other.Close() })
	return other
}

func (r *rig) revokeBy(store bridge.Store, token string) {
	r.Helper()
	found, err := store.Lookup(r.Context(), bridge.HashOf(token))
	if err == nil {
		_, err = store.Revoke(r.Context(), bridge.LinkFilter{IDs: []string{found.Link.ID}}, "x", r.clock.Now())
	}
	if err != nil {
		r.Fatal(err)
	}
}

// A link that this process ends is inactive at once, before the feed tells of it.
func TestEndedHere(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	hang := make(chan struct{})
	defer close(hang)
	store.mu.Lock()
	store.hang = hang
	store.mu.Unlock()
	r.revokeBy(store, token)
	if r.lookup(token).Active {
		t.Error("active after its end")
	}
}

func TestEndedElsewhere(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	r.revokeBy(r.otherStore(), token)
	store.caughtUp(t)
	if r.lookup(token).Active {
		t.Error("active after the feed told of its end")
	}
}

// An answer that was read before a link ended, and is remembered after the feed told of it, is not given to anybody who asks
// later.
func TestEndWhileAnAnswerIsRead(t *testing.T) {
	for name, end := range map[string]func(*rig, *watchedStore, string){
		"elsewhere": func(r *rig, store *watchedStore, token string) {
			r.revokeBy(r.otherStore(), token)
			store.caughtUp(r.T)
		},
		"here": func(r *rig, store *watchedStore, token string) { r.revokeBy(store.Store, token) },
		"in a feed that broke": func(r *rig, store *watchedStore, token string) {
			store.mu.Lock()
			store.change = func(feed *bridge.Feed) { feed.Broken, feed.Events = true, nil }
			store.mu.Unlock()
			r.revokeBy(r.otherStore(), token)
			store.caughtUp(r.T)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, store, token := newMemoryRig(t)
			var once sync.Once
			store.mu.Lock()
			store.reading = func() { once.Do(func() { end(r, store, token) }) }
			store.mu.Unlock()
			r.wantActive(token) // asked before the end
			if r.lookup(token).Active {
				t.Error("active after its end")
			}
		})
	}
}

// The store is out of reach: what is in use is answered from memory, as long as the last reading of the feed is young enough.
func TestStoreOutOfReach(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	cold := r.link(simulator.NewPhone(), ada)
	r.clock.advance(10 * time.Second)
	store.caughtUp(t)
	store.broken.Store(true)
	store.caughtUp(t)

	r.clock.advance(30*time.Second - time.Nanosecond)
	store.caughtUp(t) // with a reading that fails
	r.wantActive(token)
	if status, _ := r.status(cold); status != http.StatusServiceUnavailable {
		t.Errorf("a token that memory does not have: status %d", status)
	}
	if !r.ready() {
		t.Error("not ready before max_staleness")
	}
	r.clock.advance(time.Nanosecond)
	if status, retryAfter := r.status(token); status != http.StatusServiceUnavailable || retryAfter == "" {
		t.Errorf("after max_staleness: status %d, Retry-After %q", status, retryAfter)
	}
	if r.ready() {
		t.Error("ready after max_staleness")
	}
	r.revokeBy(r.store, cold)
	store.broken.Store(false)
	store.caughtUp(t)
	r.wantActive(token)
	if r.lookup(cold).Active || !r.ready() {
		t.Error("does not recover")
	}
	r.wantLogged(map[string]any{"msg": "store out of reach"})
	r.wantLogged(map[string]any{"msg": "store reached again"})
}

// A process that stood still, and reaches the store, asks it until it has read the feed. Only if it does not answer, memory
// does.
func TestFeedIsBehind(t *testing.T) {
	r, store, token := newMemoryRig(t)
	other := r.link(simulator.NewPhone(), ada)
	r.wantActive(token)
	r.wantActive(other)
	hang := make(chan struct{})
	defer close(hang)
	store.mu.Lock()
	store.hang = hang
	store.mu.Unlock()
	r.revokeBy(r.otherStore(), token)
	r.clock.advance(5 * time.Second)
	if r.lookup(token).Active {
		t.Error("active after its end, though the store could be asked")
	}
	store.broken.Store(true)
	r.wantActive(other)
	r.clock.advance(25 * time.Second)
	if status, _ := r.status(other); status != http.StatusServiceUnavailable {
		t.Errorf("after max_staleness: status %d", status)
	}
}

// A database that went back in time, as one that was restored, is believed in all.
func TestFeedBreaks(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	store.mu.Lock()
	store.change = func(feed *bridge.Feed) { feed.Broken = true }
	store.mu.Unlock()
	store.caughtUp(t)
	r.wantActive(token)
	if reads := store.reads.Load(); reads < 2 {
		t.Error("answered from memory after the feed broke")
	}
}

// Uses are noted from memory too: once an hour, and when the Alexa user is another one.
func TestUsesFromMemory(t *testing.T) {
	r, store, token := newMemoryRig(t)
	ask := func(user string) {
		t.Helper()
		if response, body := r.do(r.lookUpRequest(url.Values{"token": {token}, "alexa_user_id": {user}})); response.StatusCode != 200 {
			t.Fatalf("status %d, %s", response.StatusCode, body)
		}
	}
	ask("amzn1.ask.account.A")
	r.clock.advance(59 * time.Minute)
	store.caughtUp(t)
	ask("amzn1.ask.account.A")
	store.stop()
	first := r.links()[0]
	if store.noted.Load() != 1 || first.AlexaUser != bridge.HashOf("amzn1.ask.account.A") {
		t.Errorf("%d uses noted, user %q", store.noted.Load(), first.AlexaUser)
	}
	if want := r.clock.Now().Add(-59 * time.Minute).UTC().Truncate(time.Second); !first.LastUsedAt.Equal(want) {
		t.Errorf("last used %v, want %v", first.LastUsedAt, want)
	}
	if reads := store.reads.Load(); reads != 1 {
		t.Errorf("%d readings of the store", reads)
	}
}

// What another process noted within the hour needs no note, and is remembered all the same.
func TestRemembersWhatWasNoted(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	store.stop()
	again := r.follow(r.store)
	r.wantActive(token)
	r.wantActive(token)
	again.stop()
	if reads, noted := again.reads.Load(), again.noted.Load(); reads != 1 || noted != 0 {
		t.Errorf("%d readings, %d uses noted", reads, noted)
	}
}

func TestAnotherUserFromMemory(t *testing.T) {
	r, store, token := newMemoryRig(t)
	for _, user := range []string{"amzn1.ask.account.A", "amzn1.ask.account.A", "amzn1.ask.account.B", ""} {
		r.do(r.lookUpRequest(url.Values{"token": {token}, "alexa_user_id": {user}}))
	}
	store.stop()
	if link := r.links()[0]; link.AlexaUser != bridge.HashOf("amzn1.ask.account.B") {
		t.Errorf("user %q", link.AlexaUser)
	}
}

// Freshness counts from where a reading began, since what ended after that may not be in it.
func TestFreshnessCountsFromTheBeginning(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	store.mu.Lock()
	store.change = func(*bridge.Feed) { // a reading that takes long, and is the last
		store.broken.Store(true)
		r.clock.advance(20 * time.Second)
	}
	store.mu.Unlock()
	store.caughtUp(t)
	r.clock.advance(10*time.Second - time.Nanosecond)
	r.wantActive(token)
	r.clock.advance(time.Nanosecond)
	if status, _ := r.status(token); status != http.StatusServiceUnavailable || r.ready() {
		t.Errorf("status %d, ready %v", status, r.ready())
	}
}

func TestLaterUsesFromMemory(t *testing.T) {
	r, store, token := newMemoryRig(t)
	r.wantActive(token)
	r.clock.advance(time.Hour)
	store.caughtUp(t)
	r.do(r.lookUpRequest(url.Values{"token": {token}, "alexa_user_id": {"amzn1.ask.account.B"}}))
	r.wantActive(token)
	store.stop()
	link := r.links()[0]
	if link.AlexaUser != bridge.HashOf("amzn1.ask.account.B") || !link.LastUsedAt.Equal(r.clock.Now().UTC().Truncate(time.Second)) {
		t.Errorf("user %q, last used %v", link.AlexaUser, link.LastUsedAt)
	}
}

// A body that comes slowly does not keep an answer young: the time is asked for when there is something to answer.
func TestSlowBody(t *testing.T) {
	r, store, token := newMemoryRig(t, func(r *rig) { r.skill.ImplicitLifetime = time.Hour })
	r.wantActive(token)
	store.broken.Store(true)
	store.caughtUp(t)
	request := r.lookUpRequest(url.Values{"token": {token}})
	request.Body = &slowBody{Reader: request.Body, wait: func() { r.clock.advance(30 * time.Second) }}
	recorder := httptest.NewRecorder()
	r.server.Public.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("after max_staleness: status %d, %s", recorder.Code, recorder.Body)
	}

	store.broken.Store(false)
	store.caughtUp(t)
	r.wantActive(token)
	request = r.lookUpRequest(url.Values{"token": {token}})
	request.Body = &slowBody{Reader: request.Body, wait: func() {
		r.clock.advance(time.Hour)
		store.caughtUp(t)
	}}
	recorder = httptest.NewRecorder()
	r.server.Public.ServeHTTP(recorder, request)
	if recorder.Body.String() != inactive {
		t.Errorf("after the token's end: %s", recorder.Body)
	}
}

// slowBody is a body before whose first bytes time passes.
type slowBody struct {
	io.Reader
	wait func()
	once sync.Once
}

func (s *slowBody) Read(p []byte) (int, error) {
	s.once.Do(s.wait)
	return s.Reader.Read(p)
}

func (s *slowBody) Close() error { return nil }
