package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/internal/testbridge"
)

// withProxy lets requests come through a trusted proxy, with limits of their own by address.
func withProxy(requests, failures int) func(*testBridge) {
	return func(b *testBridge) {
		b.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		b.Config.Limits = server.Limits{RequestsPerMinute: requests, FailuresPerMinute: failures}
	}
}

// forwarded sets the address that a request is forwarded for.
func forwarded(address string) func(*http.Request) { return header("X-Forwarded-For", address) }

const stranger, honest = "198.51.100.1", "203.0.113.1"

// status sends a request, and returns the status of the response.
func status(b *testBridge, method, path string, form url.Values, changes ...func(*http.Request)) int {
	b.Helper()
	request := b.NewRequest(method, path, form)
	for _, change := range changes {
		change(request)
	}
	response, body := b.Do(request)
	if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") == "" {
		b.Errorf("429 without Retry-After: %s", body)
	}
	return response.StatusCode
}

// TestRequestsPerMinute floods pages from one address, which shuts out no other.
func TestRequestsPerMinute(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(5, 30))
	b.Clock.Hold()
	for i := range 8 {
		want := http.StatusSeeOther
		if i >= 5 {
			want = http.StatusTooManyRequests
		}
		if got := status(b, "GET", b.Request().URL(), nil, forwarded(stranger)); got != want {
			t.Errorf("request %d: status %d, want %d", i, got, want)
		}
	}
	for _, path := range []string{"/callback/corp", "/consent", "/try/x", "/links", "/links/unlink", "/", "/nothing",
		"/.well-known/oauth-authorization-server"} {
		if got := status(b, "GET", path, nil, forwarded(stranger)); got != http.StatusTooManyRequests {
			t.Errorf("%s: status %d, want 429", path, got)
		}
	}
	if got := status(b, "GET", b.Request().URL(), nil, forwarded(honest)); got != http.StatusSeeOther {
		t.Errorf("another address: status %d", got)
	}
	if got := status(b, "GET", b.Request().URL(), nil); got != http.StatusSeeOther { // the proxy itself: a health check
		t.Errorf("the proxy: status %d", got)
	}
	b.WantMetric(`bridge_limited_total{route="/authorize"} 3`)
	b.WantMetric(`bridge_limited_total{route="/"} 2`) // the home page, and what does not exist
	b.WantLogged(map[string]any{"reason": "too_many", "route": "/authorize", "status": 429.0, "address": stranger})
	b.Clock.Advance(12 * time.Second)
	if got := status(b, "GET", b.Request().URL(), nil, forwarded(stranger)); got != http.StatusSeeOther {
		t.Errorf("after 12 s: status %d", got)
	}
}

// TestRequestsOfAnotherSite lets a page of another site send requests in a person's browser. They do not count.
func TestRequestsOfAnotherSite(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(5, 30))
	b.Clock.Hold()
	for range 10 {
		for _, path := range []string{b.Request().URL(), "/", "/nothing", "/consent", "/callback/corp",
			"/links?provider=corp"} {
			for _, destination := range []string{"empty", "image", "iframe"} {
				if got := status(b, "GET", path, nil, forwarded(honest),
					header("Sec-Fetch-Dest", destination)); got != http.StatusForbidden {
					t.Fatalf("%s as %s: status %d", path, destination, got)
				}
			}
		}
	}
	if got := status(b, "GET", b.Request().URL(), nil, forwarded(honest),
		header("Sec-Fetch-Dest", "document")); got != http.StatusSeeOther {
		t.Errorf("the person: status %d", got)
	}
}

// TestFragmentOfStranger verifies that no redirect inherits the fragment of the URL by which a stranger sent a person.
func TestFragmentOfStranger(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	faulty := b.Request()
	faulty.ResponseType = "none"
	for what, address := range map[string]string{"to the provider": b.Request().URL(), "an error to Alexa": faulty.URL()} {
		response, _ := b.Do(b.NewRequest(http.MethodGet, address, nil))
		if location := response.Header.Get("Location"); !strings.HasSuffix(location, "#") {
			t.Errorf("%s: redirected to %s", what, location)
		}
	}
}

// TestFailuresPerMinute guesses secrets and tokens. The right ones are answered as ever, from the same address, too.
func TestFailuresPerMinute(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withProxy(600, 3), func(b *testBridge) { b.Skill.MaxLinksPerPerson = 0 })
	b.Clock.Hold()
	tokens := b.LinkByCode()
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}
	lookup := url.Values{"token": {tokens.AccessToken}}
	for _, attack := range []struct {
		path string
		form url.Values
		auth func(*http.Request)
	}{
		{"/token", refresh, basicAuth("pizza", "guess")},
		{"/lookup", lookup, basicAuth(testbridge.BackendID, "guess")},
		{"/revoke", lookup, basicAuth(testbridge.BackendID, "guess")},
		{"/userinfo", url.Values{}, header("Authorization", "Bearer "+bridge.NewRandomToken(bridge.AccessTokenKind))},
	} {
		for i := range 5 {
			want := http.StatusUnauthorized
			if i >= 3 {
				want = http.StatusTooManyRequests
			}
			if got := status(b, "POST", attack.path, attack.form, attack.auth, forwarded(stranger)); got != want {
				t.Errorf("%s, guess %d: status %d, want %d", attack.path, i, got, want)
			}
		}
		b.WantLogged(map[string]any{"route": attack.path, "status": 429.0, "reason": "too_many", "address": stranger})
		b.WantMetric(`bridge_limited_total{route="` + attack.path + `"} 2`)
		if got := status(b, "POST", attack.path, attack.form, attack.auth,
			forwarded(honest)); got != http.StatusUnauthorized {
			t.Errorf("%s from another address: status %d", attack.path, got)
		}
		for range 10 { // what is right, while the address has no failures left
			for path, auth := range map[string]func(*http.Request){
				"/token": basicAuth("pizza", skillSecret), "/lookup": basicAuth(testbridge.BackendID, testbridge.BackendSecret),
				"/userinfo": header("Authorization", "Bearer "+tokens.AccessToken),
			} {
				form := map[string]url.Values{"/token": refresh, "/lookup": lookup, "/userinfo": {}}[path]
				if got := status(b, "POST", path, form, auth, forwarded(stranger)); got != http.StatusOK {
					t.Fatalf("%s, rightly: status %d", path, got)
				}
			}
		}
		b.Clock.Advance(time.Minute)
	}
	b.WantActive(tokens.AccessToken)
}

// TestRevokeOfPublicSkill invents tokens where no secret is asked for.
func TestRevokeOfPublicSkill(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 3))
	b.Clock.Hold()
	for i := range 5 {
		want := http.StatusOK
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		form := url.Values{"client_id": {"pizza"}, "token": {bridge.NewRandomToken(bridge.AccessTokenKind)}}
		if got := status(b, "POST", "/revoke", form, forwarded(stranger)); got != want {
			t.Errorf("token %d: status %d, want %d", i, got, want)
		}
	}
	token := b.Link()
	form := url.Values{"client_id": {"pizza"}, "token": {token}}
	if got := status(b, "POST", "/revoke", form, forwarded(stranger)); got != http.StatusOK {
		t.Errorf("a live token: status %d", got)
	}
	b.WantInactive(token)
}

// slowLookups is a store that answers lookups of unknown tokens when told to, once it is slow.
type slowLookups struct {
	bridge.Store
	slow            atomic.Bool
	arrived, answer chan struct{}
}

func (s *slowLookups) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	found, err := s.Store.Lookup(ctx, token)
	if err != nil && s.slow.Load() {
		s.arrived <- struct{}{}
		<-s.answer
	}
	return found, err
}

// TestManyGuessesAtOnce invents tokens at /userinfo after too many of them, more at once than the store is asked.
// Live tokens are answered meanwhile, those of the same address in their turn.
func TestManyGuessesAtOnce(t *testing.T) {
	t.Parallel()
	const ask, wait, more = 2, 64, 5
	b := startBridge(t, withProxy(600, 3))
	b.Clock.Hold()
	store := &slowLookups{Store: b.Store, arrived: make(chan struct{}, ask+wait+more), answer: make(chan struct{})}
	b.ReplaceStore(store)
	token := b.Link()
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
	store.slow.Store(true)
	statuses := make(chan int, ask+wait+more)
	for range cap(statuses) {
		go func() { statuses <- guess() }()
	}
	answer := sync.OnceFunc(func() { close(store.answer) })
	defer answer()
	for asked, refused := 0, 0; asked < ask || refused < more; {
		select {
		case <-store.arrived:
			if asked++; asked > ask {
				t.Fatalf("the store is asked for more than %d at once", ask)
			}
		case got := <-statuses:
			if refused++; got != http.StatusTooManyRequests {
				t.Errorf("one too many: status %d, want 429", got)
			}
		}
	}
	if got := userinfo(token, honest); got != http.StatusOK {
		t.Errorf("a live token from another address: status %d", got)
	}
	if n := len(store.arrived); n != 0 {
		t.Errorf("the store is asked for %d more at once", n)
	}
	answer()
	for range ask + wait {
		if got := <-statuses; got != http.StatusTooManyRequests {
			t.Errorf("status %d, want 429", got)
		}
	}
}

// bringCode lets a phone bring an invented code for a flow to the callback, from an address.
func bringCode(b *testBridge, phone *simulator.Phone, callback *url.URL, code, address string) int {
	b.Helper()
	query := url.Values{"state": callback.Query()["state"], "code": {code}}
	request := withCookies(phone, b.NewRequest("GET", callback.Path+"?"+query.Encode(), nil))
	request.Header.Set("X-Forwarded-For", address)
	response, _ := b.Do(request)
	return response.StatusCode
}

// newFlow begins a sign-in, and returns where the provider sends the browser after it.
func newFlow(b *testBridge) (*simulator.Phone, *url.URL) {
	b.Helper()
	phone := simulator.NewPhone()
	return phone, mustParse(b.CallbackURL(phone, b.Request()))
}

// TestCodesOfBusyProvider brings codes while the provider has no answer to them: of one address few are sent, as if
// they were refused.
func TestCodesOfBusyProvider(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError} {
		faults := &providerFaults{}
		faults.Store(&providerFault{})
		b := startBridge(t, withProxy(600, 4), func(b *testBridge) { b.WrapProvider = faults.wrap })
		b.Clock.Hold()
		var sent atomic.Int32
		faults.Store(&providerFault{override: map[string]http.HandlerFunc{
			tokenPath: func(w http.ResponseWriter, _ *http.Request) { sent.Add(1); w.WriteHeader(status) },
		}})
		for i := range 8 {
			want := http.StatusServiceUnavailable
			if i >= 4 {
				want = http.StatusTooManyRequests
			}
			phone, callback := newFlow(b)
			if got := bringCode(b, phone, callback, "invented-code", stranger); got != want {
				t.Errorf("code %d: status %d, want %d", i, got, want)
			}
		}
		if n := sent.Load(); n != 4 {
			t.Errorf("%d codes were sent to a provider with status %d, want 4", n, status)
		}
		faults.Store(&providerFault{})
		phone, callback := newFlow(b)
		request := withCookies(phone, b.NewRequest("GET", callback.String(), nil))
		request.Header.Set("X-Forwarded-For", honest)
		if response, body := b.Do(request); response.StatusCode != http.StatusOK {
			t.Errorf("an honest sign-in: status %d, %s", response.StatusCode, body)
		}
	}
}

// TestInventedCodes brings invented codes to the callback. Of one flow few are sent to the provider, and of one
// address, too. Others sign in as ever.
func TestInventedCodes(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 7))
	b.Clock.Hold()
	sent := 0
	for _, wantSent := range []int{3, 6, 7, 7} {
		phone, callback := newFlow(b)
		for i := range 5 {
			status := bringCode(b, phone, callback, fmt.Sprint("invented-code-", i), stranger)
			if want := []int{http.StatusBadRequest, http.StatusTooManyRequests}; status != want[0] && status != want[1] {
				t.Errorf("code %d: status %d, want one of %v", i, status, want)
			}
		}
		if sent = b.Provider.Requests(tokenPath); sent != wantSent {
			t.Fatalf("%d codes were sent to the provider, want %d", sent, wantSent)
		}
	}
	phone, callback := newFlow(b)
	request := withCookies(phone, b.NewRequest("GET", callback.String(), nil))
	request.Header.Set("X-Forwarded-For", honest)
	if response, body := b.Do(request); response.StatusCode != http.StatusOK {
		t.Errorf("an honest sign-in: status %d, %s", response.StatusCode, body)
	}
	b.WantLogged(map[string]any{"reason": "sign_in_outdated", "error": "the flow has sent as many codes as it may"})
	b.WantLogged(map[string]any{"reason": "too_many", "route": "/callback/{provider}"})
}

// TestHungUpCallbacks brings codes, and hangs up while a slow provider judges them. One address occupies a quarter of
// what may run at the provider, what was not sent is forgotten, and others sign in meanwhile.
func TestHungUpCallbacks(t *testing.T) {
	t.Parallel()
	const flows, quarter = 20, 16
	arrived, judge := make(chan struct{}, flows), make(chan struct{})
	b := startBridge(t, withProxy(600, 30), func(b *testBridge) {
		b.WrapProvider = func(provider http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == tokenPath && strings.HasPrefix(r.FormValue("code"), "invented") {
					arrived <- struct{}{}
					<-judge
				}
				provider.ServeHTTP(w, r)
			})
		}
	})
	ctx, hangUp := context.WithCancel(t.Context())
	var sent sync.WaitGroup
	for i := range flows {
		phone := simulator.NewPhone()
		target := mustParse(b.CallbackURL(phone, b.Request()))
		query := url.Values{"state": target.Query()["state"], "code": {fmt.Sprint("invented", i)}}
		request := withCookies(phone, b.NewRequest("GET", target.Path+"?"+query.Encode(), nil)).WithContext(ctx)
		request.Header.Set("X-Forwarded-For", stranger)
		sent.Go(func() {
			if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
				response.Body.Close()
				t.Errorf("a code was judged: status %d", response.StatusCode)
			}
		})
	}
	for range quarter {
		<-arrived
	}
	hangUp()
	sent.Wait()
	phone := simulator.NewPhone()
	address := b.CallbackURL(phone, b.Request())
	callback := withCookies(phone, b.NewRequest("GET", address, nil))
	callback.Header.Set("X-Forwarded-For", honest)
	if response, body := b.Do(callback); response.StatusCode != http.StatusOK {
		t.Errorf("an honest sign-in meanwhile: status %d, %s", response.StatusCode, body)
	}
	close(judge)
	b.Logs.Wait(t, 0, `"reason":"sign_in_outdated"`)
	if n := len(arrived); n != 0 {
		t.Errorf("%d more codes were sent for clients that had hung up", n)
	}
	if strings.Contains(b.Logs.String(), `"level":"ERROR"`) {
		t.Errorf("a client that hung up is logged as an outage:\n%s", b.Logs)
	}
	if metrics := b.Metrics(); strings.Contains(metrics, "provider_busy") || strings.Contains(metrics, "hung_up") {
		t.Errorf("a client that hung up counts as refused:\n%s", metrics)
	}
}

// slowRevocations is a store that answers revocations of unknown tokens when told to.
type slowRevocations struct {
	bridge.Store
	arrived, answer chan struct{}
}

func (s *slowRevocations) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, by bridge.Revocation,
) (bridge.Link, error) {
	link, err := s.Store.RevokeByToken(ctx, token, clients, by)
	if err != nil {
		s.arrived <- struct{}{}
		<-s.answer
	}
	return link, err
}

// TestManyRevocationsAtOnce lets one address revoke invented tokens of a skill without a secret, more at once than the
// store is asked. Others revoke meanwhile.
func TestManyRevocationsAtOnce(t *testing.T) {
	t.Parallel()
	const ask, wait, more = 2, 8, 5
	b := startBridge(t, withProxy(600, 100))
	store := &slowRevocations{b.Store, make(chan struct{}, ask+wait+more), make(chan struct{})}
	b.ReplaceStore(store)
	token := b.Link()
	revoke := func(token, address string) int {
		form := url.Values{"client_id": {"pizza"}, "token": {token}}
		return status(b, "POST", "/revoke", form, forwarded(address))
	}
	statuses := make(chan int)
	for range ask + wait + more {
		go func() { statuses <- revoke(bridge.NewRandomToken(bridge.AccessTokenKind), stranger) }()
	}
	for range more {
		if got := <-statuses; got != http.StatusTooManyRequests {
			t.Errorf("one too many: status %d, want 429", got)
		}
	}
	for range ask {
		<-store.arrived
	}
	if got := revoke(token, honest); got != http.StatusOK {
		t.Errorf("a live token from another address: status %d", got)
	}
	b.WantInactive(token)
	if n := len(store.arrived); n != 0 {
		t.Errorf("the store is asked for %d more at once", n)
	}
	close(store.answer)
	for range ask + wait {
		if got := <-statuses; got != http.StatusOK {
			t.Errorf("status %d, want 200", got)
		}
	}
}
