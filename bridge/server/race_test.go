package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/simulator"
)

// late is a store as another process sees it that looked a moment too early: the first time, it does not find what waits.
type late struct {
	bridge.Store
	looked atomic.Bool
}

func (s *late) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	if !s.looked.Swap(true) {
		return bridge.PendingConsent{}, bridge.ErrNotFound
	}
	return s.Store.PendingConsent(ctx, handle, now)
}

// otherProcess sends the request of a phone's browser to a second bridge on the same store, which looks too early.
func (r *rig) otherProcess(phone *simulator.Phone, address string) *httptest.ResponseRecorder {
	r.Helper()
	other, err := server.New(r.config, server.Deps{Store: &late{Store: r.store}, Log: r.discard(), Now: r.clock.Now})
	if err != nil {
		r.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, r.origin), nil)
	for _, cookie := range phone.Client.Jar.Cookies(mustParse(r.origin)) {
		request.AddCookie(cookie)
	}
	other.Public.ServeHTTP(recorder, request)
	return recorder
}

// Two processes take the same callback at once. The second one's code is refused, but the person is signed in.
func TestSameCallbackInTwoProcesses(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	callback := r.atCallback(phone, request)
	consent := r.open(phone, callback)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")

	other := r.otherProcess(phone, callback)
	if other.Code != http.StatusOK || !strings.Contains(other.Body.String(), "Ada Lovelace") {
		t.Fatalf("status %d, %v", other.Code, other.Header())
	}
	r.wantActive(r.wantToken(request, r.decide(phone, consent, "link")))
}

// One flow is signed in by two people, in two windows of a browser and in two processes. Whoever is shown is linked.
func TestShownIsLinked(t *testing.T) {
	grace := ada
	grace.Subject, grace.Login, grace.GivenName = "g9", "grace", "Grace"
	r := newRig(t)
	r.provider.AddPerson(grace)
	phone := simulator.NewPhone()
	request := r.request()
	phone.Destinations = []string{r.origin + "/callback/corp"}
	var provider string
	phone.Trace = func(exchange simulator.Exchange) {
		if exchange.URL.Path == "/authorize" && provider == "" {
			provider = exchange.Location
		}
	}
	first := r.fillIn(phone, r.open(phone, request.URL()), ada)
	second := r.fillIn(phone, r.open(phone, provider), grace)
	phone.Destinations, phone.Trace = nil, nil

	consent := r.open(phone, first.URL.String())
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	other := r.otherProcess(phone, second.URL.String())
	if body := other.Body.String(); !strings.Contains(body, "Ada Lovelace") || strings.Contains(body, "Grace") {
		t.Errorf("the second page does not show who would be linked: status %d", other.Code)
	}
	token := r.wantToken(request, r.decide(phone, consent, "link"))
	if subject := r.lookup(token).Subject; subject != ada.Subject {
		t.Errorf("linked %s", subject)
	}
}

// unkept is a store that cannot keep a sign-in.
type unkept struct {
	bridge.Store
	works atomic.Bool
}

func (s *unkept) CreatePendingConsent(ctx context.Context, pending bridge.PendingConsent) error {
	if !s.works.Load() {
		return errBroken
	}
	return s.Store.CreatePendingConsent(ctx, pending)
}

// When a sign-in cannot be kept its code is spent, so the page begins the sign-in anew.
func TestSignInThatCannotBeKept(t *testing.T) {
	r := newRig(t)
	store := &unkept{Store: r.store}
	r.replaceStore(store)
	phone := simulator.NewPhone()
	request := r.request()
	page := r.signIn(phone, request, ada)
	r.wantPage(page, http.StatusServiceUnavailable, "We cannot save this right now")
	store.works.Store(true)
	again := r.submit(phone, page, url.Values{"decision": {"switch"}})
	r.wantActive(r.wantToken(request, r.decide(phone, r.fillIn(phone, again, ada), "link")))
}

// Signing in may take nearly ten minutes, and then there are ten more to decide.
func TestTimeToDecide(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	callback := r.atCallback(phone, request)
	r.clock.advance(9 * time.Minute)
	consent := r.open(phone, callback)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	r.clock.advance(9 * time.Minute)
	r.wantPage(r.open(phone, callback), http.StatusOK, "Ada Lovelace")
	r.wantActive(r.wantToken(request, r.decide(phone, consent, "link")))
}

// Of three flows the newest two go on, also when all were begun in one second.
func TestNewestFlowsAreKept(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	var requests []simulator.Request
	var logins []*simulator.Page
	for i := range 3 {
		requests = append(requests, r.request())
		logins = append(logins, r.open(phone, requests[i].URL()))
	}
	r.wantPage(r.fillIn(phone, logins[0], ada), http.StatusBadRequest, "Please start again")
	for i := 1; i < 3; i++ {
		r.wantToken(requests[i], r.decide(phone, r.fillIn(phone, logins[i], ada), "link"))
	}
}

// Who sends more cookies or scopes than any browser does gets no more work and no longer answer for it.
func TestFloods(t *testing.T) {
	r := newRig(t)
	var cookies strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&cookies, "login-%016d=x; ", i)
	}
	request := r.newRequest(http.MethodGet, strings.TrimPrefix(r.request().URL(), r.origin), nil)
	request.Header.Set("Cookie", cookies.String())
	response, _ := r.do(request)
	if n := len(response.Header.Values("Set-Cookie")); response.StatusCode != http.StatusSeeOther || n > 10 {
		t.Errorf("status %d with %d cookies", response.StatusCode, n)
	}
	flooded := r.request()
	for i := range 5000 {
		flooded.Scopes = append(flooded.Scopes, fmt.Sprintf("s%d", i))
	}
	login := r.open(simulator.NewPhone(), flooded.URL())
	r.wantPage(login, http.StatusOK, "Sign in to Contoso")
}

// A path that is not clean is not redirected to a clean one, which would repeat the state in a body.
func TestUncleanPaths(t *testing.T) {
	r := newRig(t)
	query := strings.TrimPrefix(r.request().URL(), r.origin+"/authorize")
	for _, path := range []string{"//authorize", "/./authorize", "/x/../authorize", "/authorize/", "/callback/corp/"} {
		response, body := r.do(r.newRequest(http.MethodGet, path+query, nil))
		if response.StatusCode != http.StatusNotFound || response.Header.Get("Location") != "" || strings.Contains(body, "A2SAAEAE") {
			t.Errorf("%s: status %d, %v", path, response.StatusCode, response.Header)
		}
	}
}
