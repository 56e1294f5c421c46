package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

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
