package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/internal/testbridge"
)

// A flow that one browser began cannot be finished by another (login CSRF), so that an attacker can neither link the
// victim's account nor have their own linked.
func TestCallbackInAnotherBrowser(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	attacker, victim := simulator.NewPhone(), simulator.NewPhone()
	callback := b.CallbackURL(attacker, b.Request())

	b.WantPage(b.Open(victim, callback), http.StatusBadRequest, startAgain)
	b.Open(victim, b.Request().URL()) // now the victim has a flow too
	b.WantPage(b.Open(victim, callback), http.StatusBadRequest, startAgain)
	b.WantExchanges(0)
	b.WantMetric("bridge_callbacks_without_cookie_total 2")

	consent := b.Open(attacker, callback)
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	b.WantPage(b.Decide(victim, consent, "link"), http.StatusBadRequest, startAgain)
	b.WantLinks(0)
}

func TestCallbackState(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	callback := mustParse(b.CallbackURL(phone, b.Request()))
	change := func(change func(url.Values)) string {
		query := callback.Query()
		change(query)
		return b.Origin + callback.Path + "?" + query.Encode()
	}
	state := callback.Query().Get("state")
	wrong := map[string]string{
		"no state":         change(func(q url.Values) { q.Del("state") }),
		"empty state":      change(func(q url.Values) { q.Set("state", "") }),
		"cut state":        change(func(q url.Values) { q.Set("state", state[:16]) }),
		"longer state":     change(func(q url.Values) { q.Set("state", state+"x") }),
		"last letter":      change(func(q url.Values) { q.Set("state", state[:42]+string(state[42]^1)) }),
		"repeated state":   change(func(q url.Values) { q["state"] = []string{state, state} }),
		"repeated code":    change(func(q url.Values) { q["code"] = []string{"a", "b"} }),
		"unknown provider": strings.Replace(callback.String(), "/callback/corp", "/callback/other", 1),
		"broken query":     callback.String() + "&%zz",
		"nothing":          b.Origin + callback.Path,
	}
	for name, address := range wrong {
		t.Run(name, func(t *testing.T) {
			b.WantPage(b.Open(phone, address), http.StatusBadRequest, startAgain)
		})
	}
	b.WantExchanges(0)
	b.WantPage(b.Open(phone, callback.String()), http.StatusOK, "Ada Lovelace") // the flow is as good as before
}

// A flow cookie is valid for its purpose and its name only, even if its content is right.
func TestFlowCookieForgeries(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	consent := b.SignIn(phone, b.Request(), testbridge.Ada())
	cookies := phone.Client.Jar.Cookies(mustParse(b.Origin))
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	values := map[any]any{}
	codec := func(purpose string) *securecookie.SecureCookie {
		key := b.Config.Keys.Derive(purpose, 64)[0]
		return securecookie.New(key[:32], key[32:])
	}
	if err := codec("cookie: pending login").Decode(cookies[0].Name, cookies[0].Value, &values); err != nil {
		t.Fatalf("correct the purpose in this test: %v", err)
	}
	seal := func(purpose, name string) string {
		sealed, err := codec(purpose).Encode(name, values)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	for name, value := range map[string]string{
		"for another purpose": seal("cookie: links", cookies[0].Name),
		"for another name":    seal("cookie: pending login", "login-AAAAAAAAAAAAAAAA"),
		"not sealed":          "e30",
		"empty":               "",
	} {
		request, err := consent.FormRequest(url.Values{"decision": {"link"}})
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: value})
		if response, _ := b.Do(request); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, response.StatusCode)
		}
	}
	b.WantLinks(0)
}

// A callback that is requested several times, at once and later, exchanges its code once.
func TestCallbackRepeated(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	callback := b.CallbackURL(phone, b.Request())
	pages := make([]*simulator.Page, 8)
	var group sync.WaitGroup
	for i := range pages {
		group.Go(func() { pages[i], _ = phone.Open(callback) })
	}
	group.Wait()
	for _, page := range append(pages, b.Open(phone, callback)) {
		b.WantPage(page, http.StatusOK, "Ada Lovelace")
	}
	b.WantExchanges(1)
	b.Decide(phone, pages[0], "link")
	b.WantPage(b.Open(phone, callback), http.StatusBadRequest, answeredAlready)
	b.WantLinks(1)
}

// Two replicas handle callbacks of one flow at once, so that the second does not see at first what the first has
// stored: the same callback, whose code the provider rejects, and that of another person, who signed in in another
// window. Both show the person who is on the consent page, and who is linked.
func TestCallbackAtTwoReplicas(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
	phone.Destinations = []string{b.Origin + "/callback/corp"}
	var provider string
	phone.Trace = func(exchange simulator.Exchange) {
		if exchange.URL.Path == "/authorize" && provider == "" {
			provider = exchange.Location
		}
	}
	first := b.SubmitLogin(phone, b.Open(phone, request.URL()), testbridge.Ada())
	second := b.SubmitLogin(phone, b.Open(phone, provider), testbridge.Hedy())
	phone.Destinations, phone.Trace = nil, nil

	consent := b.Open(phone, first.URL.String())
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	for name, callback := range map[string]*url.URL{"Ada's": first.URL, "Hedy's": second.URL} {
		store := &hookedStore{Store: b.Store}
		store.be(func(_ context.Context, method string) error {
			if method != "PendingConsent" {
				return nil
			}
			store.be(working)
			return bridge.ErrNotFound
		})
		page := serve(b, b.Config, store, withCookies(phone, httptest.NewRequest(http.MethodGet, callback.String(), nil)))
		body := page.Body.String()
		if page.Code != http.StatusOK || !strings.Contains(body, "Ada Lovelace") || strings.Contains(body, "Hedy") {
			t.Errorf("%s callback: status %d, want Ada's consent page: %s", name, page.Code, body)
		}
	}
	token := b.WantToken(request, b.Decide(phone, consent, "link"))
	if subject := b.Lookup(token).Subject; subject != testbridge.Ada().Subject {
		t.Errorf("linked %s, want Ada", subject)
	}
}

// serve serves a request at another replica, with this configuration and store.
func serve(b *testBridge, config server.Config, store bridge.Store, request *http.Request,
) *httptest.ResponseRecorder {
	b.Helper()
	replica, err := server.New(config, server.Deps{Store: store, Log: slog.New(slog.DiscardHandler), Now: b.Clock.Now})
	if err != nil {
		b.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	replica.Public.ServeHTTP(recorder, request)
	return recorder
}

// The person has ten minutes to sign in, and then ten more to decide.
func TestFlowLifetime(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
	callback := b.CallbackURL(phone, request)
	b.Clock.Advance(9 * time.Minute)
	consent := b.Open(phone, callback)
	b.Clock.Advance(9 * time.Minute)
	b.WantPage(b.Open(phone, callback), http.StatusOK, "Ada Lovelace")
	b.WantActive(b.WantToken(request, b.Decide(phone, consent, "link")))

	late, later := simulator.NewPhone(), simulator.NewPhone()
	callback, consent = b.CallbackURL(late, b.Request()), b.SignIn(later, b.Request(), testbridge.Ada())
	b.Clock.Advance(10 * time.Minute)
	b.WantPage(b.Open(late, callback), http.StatusBadRequest, startAgain)
	b.WantPage(b.Decide(later, consent, "link"), http.StatusBadRequest, startAgain)
	b.WantExchanges(2)
	b.WantLinks(1)
}

// A browser keeps its two newest flows, even if all began in the same second.
func TestFlowLimit(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	var requests []simulator.Request
	var logins []*simulator.Page
	for i := range 3 {
		requests = append(requests, b.Request())
		logins = append(logins, b.Open(phone, requests[i].URL()))
	}
	b.WantPage(b.SubmitLogin(phone, logins[0], testbridge.Ada()), http.StatusBadRequest, startAgain)
	for i := 1; i < 3; i++ {
		b.WantToken(requests[i], b.Decide(phone, b.SubmitLogin(phone, logins[i], testbridge.Ada()), "link"))
	}
}

const (
	startAgain      = "Please start again in the Alexa app"
	answeredAlready = "You have answered this already"
)
