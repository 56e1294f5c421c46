package server_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// LinksCallbackURL signs Ada in to see her links, and returns the callback URL, which is not requested.
func (b *testBridge) LinksCallbackURL(phone *simulator.Phone) string {
	b.Helper()
	phone.Destinations = []string{b.Config.PublicURL + "/callback/corp"}
	page := b.SubmitLogin(phone, b.Open(phone, b.Origin+"/links?provider=corp"), testbridge.Ada())
	phone.Destinations = nil
	if !page.Arrived {
		b.Fatalf("at %s, want the callback", page.URL)
	}
	return page.URL.String()
}

// TestLinksSignInBegins checks what begins a sign-in, and what does not.
func TestLinksSignInBegins(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	labs := withSecondProvider(b)
	b.Config.Skills[1].Provider = "labs"
	b.Restart()
	begin := b.Open(simulator.NewPhone(), b.Origin+"/links")
	for _, text := range []string{
		"Where do you sign in?",
		`href="/links?provider=corp">` + mustParse(b.Provider.Issuer()).Host + " <span>for Contoso Pizza<",
		`href="/links?provider=labs">` + mustParse(labs.Issuer()).Host + " <span>for Contoso Lights<",
	} {
		b.WantPage(begin, http.StatusOK, text)
	}
	b.WantPage(b.Open(simulator.NewPhone(), b.Origin+"/links?account=other"), http.StatusOK,
		`href="/links?account=other&amp;provider=labs"`)
	for _, query := range []string{"provider=nobody", "provider=corp&provider=labs", "provider=%zz", "provider=CORP"} {
		b.WantPage(b.Open(simulator.NewPhone(), b.Origin+"/links?"+query), http.StatusNotFound, "There is nothing here")
	}
	phone := simulator.NewPhone()
	b.LinksSignedIn(phone, testbridge.Ada())
	page := b.Open(phone, b.Origin+"/links")
	b.WantPage(page, http.StatusOK, `href="/links?account=other"`)
	if other := b.Open(phone, b.Origin+"/links?provider=labs"); !strings.HasPrefix(other.URL.String(), labs.Issuer()) {
		t.Errorf("at %s, want the other provider", other.URL)
	}
}

// TestSignInsAreNotConfused finishes a sign-in of each purpose as one of another.
func TestSignInsAreNotConfused(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	wantLinks := func(what string, links int) {
		t.Helper()
		if got := len(b.Links()); got != links {
			t.Fatalf("%s: %d links, want %d", what, got, links)
		}
	}
	signsIn := map[string]func(*simulator.Phone) string{
		"link":  func(phone *simulator.Phone) string { return b.CallbackURL(phone, b.Request()) },
		"test":  func(phone *simulator.Phone) string { return b.testCallbackURL(phone) },
		"links": b.LinksCallbackURL,
	}
	shows := map[string]string{"link": "Link <em>Contoso Pizza</em> to Alexa?", "test": "This account may link the skill.",
		"links": "<h1>Your links</h1>"}
	for purpose, signIn := range signsIn {
		for other, signOther := range signsIn {
			phone, otherPhone := simulator.NewPhone(), simulator.NewPhone()
			callback, otherCallback := signIn(phone), signOther(otherPhone)
			// The state of one with the cookie of another, under the name of either.
			for _, rename := range []bool{false, true} {
				thief := stolenCookies(b, otherPhone, mustParse(callback).Query().Get("state")[:16], rename)
				b.WantPage(b.Open(thief, callback), http.StatusBadRequest, "Please start again in the Alexa app")
			}
			b.WantPage(b.Open(otherPhone, otherCallback), http.StatusOK, shows[other])
			b.WantPage(b.Open(phone, callback), http.StatusOK, shows[purpose])
		}
	}
	wantLinks("callbacks", 0)

	// The form of the consent page, with the cookie of a sign-in of another purpose.
	for _, purpose := range []string{"test", "links"} {
		phone := simulator.NewPhone()
		flow := mustParse(signsIn[purpose](phone)).Query().Get("state")[:16]
		for _, decision := range []string{"link", "switch", "cancel"} {
			form := url.Values{"flow": {flow}, "token": {"x"}, "decision": {decision}}
			response, body := b.Do(withCookies(phone, b.NewRequest(http.MethodPost, "/consent", form)))
			if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "This answer did not come") {
				t.Errorf("%s, %s: status %d", purpose, decision, response.StatusCode)
			}
			b.WantLogged(map[string]any{"error": "the sign-in is not for a link"})
		}
	}
	wantLinks("decisions", 0)
}

// testCallbackURL signs Ada in for a test sign-in, and returns the callback URL.
func (b *testBridge) testCallbackURL(phone *simulator.Phone) string {
	b.Helper()
	phone.Destinations = []string{b.Config.PublicURL + "/callback/corp"}
	page := b.trySignIn(phone, b.ticketURL())
	phone.Destinations = nil
	return page.URL.String()
}

// stolenCookies returns a phone with the cookies of another one, or with their values under the name of a flow's.
func stolenCookies(b *testBridge, from *simulator.Phone, flow string, rename bool) *simulator.Phone {
	b.Helper()
	thief := simulator.NewPhone()
	thief.Client.Jar, _ = cookiejar.New(nil)
	var cookies []*http.Cookie
	for _, cookie := range from.Client.Jar.Cookies(mustParse(b.Origin)) {
		if rename {
			cookie.Name = "login-" + flow
		}
		cookies = append(cookies, cookie)
	}
	thief.Client.Jar.SetCookies(mustParse(b.Origin), cookies)
	return thief
}

// TestLinksCookiesAreNotConfused uses a cookie for what another one is for.
func TestLinksCookiesAreNotConfused(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	b.LinksCallbackURL(phone)
	b.testCallbackURL(phone)
	login := phone.Client.Jar.Cookies(mustParse(b.Origin))
	signedIn := simulator.NewPhone()
	page := b.LinksSignedIn(signedIn, testbridge.Ada())
	b.Unlink(signedIn, page, "lnk_x")
	b.Submit(signedIn, page, url.Values{"decision": {"sign_out"}}) // leaves the notice
	for _, cookie := range login {
		thief := simulator.NewPhone()
		cookie.Name = "links"
		thief.Client.Jar.SetCookies(mustParse(b.Origin), []*http.Cookie{cookie})
		b.WantPage(b.Open(thief, b.Origin+"/links"), http.StatusOK, signedOut)
	}
	// A session sealed for this server, under the name of a notice or of a flow.
	again := simulator.NewPhone()
	b.LinksSignedIn(again, testbridge.Ada())
	session := again.Client.Jar.Cookies(mustParse(b.Origin))[0]
	for _, name := range []string{"links-notice", "login-AAAAAAAAAAAAAAAA", "try", "__Host-links"} {
		thief := simulator.NewPhone()
		thief.Client.Jar.SetCookies(mustParse(b.Origin), []*http.Cookie{{Name: name, Value: session.Value, Path: "/"}})
		b.WantPage(b.Open(thief, b.Origin+"/links"), http.StatusOK, signedOut)
	}
}

// TestLinksCallbackOnce brings a callback again, and in another browser.
func TestLinksCallbackOnce(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	callback := b.LinksCallbackURL(phone)
	b.WantPage(b.Open(simulator.NewPhone(), callback), http.StatusBadRequest, "Please start again")
	flow := stolenCookies(b, phone, "", false)
	b.WantPage(b.Open(phone, callback), http.StatusOK, "Ada Lovelace")
	b.WantPage(b.Open(phone, callback), http.StatusBadRequest, "Please start again")
	b.WantExchanges(1)
	// Not even with the cookie of the flow, which a browser keeps if the response is lost.
	b.WantPage(b.Open(flow, callback), http.StatusBadRequest, "You could not be signed in")
	late := simulator.NewPhone()
	callback = b.LinksCallbackURL(late)
	b.Clock.Advance(10 * time.Minute)
	b.WantPage(b.Open(late, callback), http.StatusBadRequest, "Please start again")
}

// TestLinksSignInFails fails in each way. Nobody is sent to Alexa, and nothing counts as a link that was refused.
func TestLinksSignInFails(t *testing.T) {
	t.Parallel()
	cancel := url.Values{"action": {"cancel"}}
	for name, test := range map[string]struct {
		configure func(*testBridge)
		form      url.Values
		status    int
		text      string
		logged    map[string]any
	}{
		"cancelled": {nil, cancel, http.StatusForbidden, "You could not be signed in",
			map[string]any{"reason": "provider_refused", "level": "WARN"}},
		"wrong secret": {withWrongSecret, loginForm(testbridge.Ada()), http.StatusInternalServerError, "not set up correctly",
			map[string]any{"reason": "provider_setup", "level": "ERROR", "stage": "token"}},
		"an address that is not verified": {withUnverifiedSubject, loginForm(testbridge.Ada()), http.StatusForbidden,
			"You could not be signed in", map[string]any{"reason": "email_unverified", "level": "WARN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, func(b *testBridge) {
				if test.configure != nil {
					test.configure(b)
				}
			})
			if name == "an address that is not verified" {
				ada := testbridge.Ada()
				ada.EmailVerified = false
				b.Provider.SetPerson(ada)
			}
			phone := simulator.NewPhone()
			page := b.Submit(phone, b.Open(phone, b.Origin+"/links?provider=corp"), test.form)
			b.WantPage(page, test.status, test.text)
			b.WantPage(page, test.status, `href="/links">Go to your links<`)
			test.logged["msg"] = "not signed in for links"
			b.WantLogged(test.logged)
			if metrics := b.Metrics(); strings.Contains(metrics, "bridge_links_refused_total{") {
				t.Errorf("it counts as a link that was refused:\n%s", bridgeMetrics(metrics))
			}
			if records := b.Audit(bridge.AuditFilter{}); len(records) > 0 {
				t.Errorf("recorded: %+v", records)
			}
			b.WantPage(b.Open(phone, b.Origin+"/links"), http.StatusOK, signedOut)
		})
	}
}

// withUnverifiedSubject takes subjects from e-mail addresses.
func withUnverifiedSubject(b *testBridge) { b.Config.Providers[0].SubjectClaim = "email" }

// TestLinksOfTrustedAddress takes subjects from e-mail addresses that count as they are.
func TestLinksOfTrustedAddress(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withUnverifiedSubject, func(b *testBridge) {
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {EmailTrusted: true}}
	})
	ada := testbridge.Ada()
	ada.EmailVerified = false
	b.Provider.SetPerson(ada)
	b.LinksSignedIn(simulator.NewPhone(), ada)
}

func TestLinksWithProviderDown(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Provider.SetDown(true)
	page := b.Open(simulator.NewPhone(), b.Origin+"/links?provider=corp")
	b.WantPage(page, http.StatusServiceUnavailable, "sign‑in does not answer")
	b.WantPage(page, http.StatusServiceUnavailable, `href="/links">Go to your links<`)
	b.WantLogged(map[string]any{"msg": "not signed in for links", "reason": "provider_down", "level": "ERROR"})
	b.WantPage(b.Open(simulator.NewPhone(), b.Origin+"/links"), http.StatusOK, signedOut)
}

// TestLinksAskForNoRefreshToken signs in at a provider whose refresh tokens are kept with links.
func TestLinksAskForNoRefreshToken(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {Offline: true, RecheckAfter: time.Hour}}
		b.Config.Providers[0].Scopes = append(b.Config.Providers[0].Scopes, "offline_access")
	})
	phone := simulator.NewPhone()
	var authorizations []string
	phone.Trace = func(exchange simulator.Exchange) {
		if strings.Contains(exchange.Location, "/authorize?") {
			authorizations = append(authorizations, exchange.Location)
		}
	}
	b.LinksSignedIn(phone, testbridge.Ada())
	if len(authorizations) != 1 || strings.Contains(authorizations[0], "offline_access") {
		t.Errorf("requests to the provider: %v", authorizations)
	}
	tokens, err := b.Store.UpstreamTokens(t.Context(), "", 10)
	if err != nil || len(tokens) > 0 {
		t.Errorf("%d refresh tokens are kept, %v", len(tokens), err)
	}
}

// TestLinksCodes brings invented codes for a sign-in to see links. They count as those of any sign-in.
func TestLinksCodes(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 4))
	b.Clock.Hold()
	for _, wantSent := range []int{3, 4, 4} {
		phone := simulator.NewPhone()
		callback := mustParse(b.LinksCallbackURL(phone))
		for range 5 {
			if status := bringCode(b, phone, callback, "invented-code", stranger); status < 400 {
				t.Errorf("status %d", status)
			}
		}
		if sent := b.Provider.Requests(tokenPath); sent != wantSent {
			t.Fatalf("%d codes were sent to the provider, want %d", sent, wantSent)
		}
	}
	b.WantLogged(map[string]any{"msg": "not signed in for links", "reason": "sign_in_outdated",
		"error": "the flow has sent as many codes as it may"})
	b.WantLogged(map[string]any{"msg": "not signed in for links", "reason": "too_many"})
}
