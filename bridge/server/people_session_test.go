package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/internal/testbridge"
)

const signedOut = "See and end your links"

// TestLinksOfOthers names links on the form that are not the person's. All are as one that does not exist.
func TestLinksOfOthers(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	labs := withSecondProvider(b)
	b.Restart()
	hedy, ofHedy := b.LinkSkill("pizza", testbridge.Hedy())
	ada, ofAda := b.LinkSkill("pizza", testbridge.Ada())
	phone := simulator.NewPhone()
	login := b.Open(phone, b.Origin+"/links?provider=labs")
	if !strings.HasPrefix(login.URL.String(), labs.Issuer()) {
		t.Fatalf("at %s, want the other provider", login.URL)
	}
	page := b.Submit(phone, login, loginForm(testbridge.Ada()))
	b.WantPage(page, http.StatusOK, "Mallory Stranger") // with Ada's subject
	wantShown(b, page)

	unknown := b.Unlink(phone, page, bridge.NewLinkID())
	b.WantPage(unknown, http.StatusOK, "Nothing was changed.")
	for name, id := range map[string]string{"another subject": ofHedy, "the same subject": ofAda} {
		if got := b.Unlink(phone, page, id); got.Body != unknown.Body || got.Status != unknown.Status {
			t.Errorf("%s: the response differs from that for an unknown link:\n%s", name, got.Body)
		}
	}
	b.WantPage(b.Submit(phone, page, url.Values{"decision": {"all"}}), http.StatusOK, "Nothing was changed.")
	mine := simulator.NewPhone()
	b.WantPage(b.Unlink(mine, b.LinksSignedIn(mine, testbridge.Ada()), ofHedy), http.StatusOK, "Nothing was changed.")
	b.WantActive(hedy)
	b.WantActive(ada)
}

// TestLinksOfAnotherClaim lets the subject be taken from another claim: the same text may be another person then.
func TestLinksOfAnotherClaim(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.LinkSkill("pizza", testbridge.Ada())
	impostor := testbridge.Hedy()
	impostor.Claims = map[string]any{"employee": testbridge.Ada().Subject}
	b.Provider.SetPerson(impostor)
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	withSubject("employee")(b)
	b.Restart()
	b.WantPage(b.Submit(phone, page, url.Values{"decision": {"all"}}), http.StatusForbidden, signedOut)
	b.WantPage(b.Open(phone, b.Origin+"/links"), http.StatusOK, signedOut)
	other := b.LinksSignedIn(phone, impostor)
	wantShown(b, other)
	b.WantPage(b.Submit(phone, other, url.Values{"decision": {"all"}}), http.StatusOK, "Nothing was changed.")
	b.WantPage(b.Unlink(phone, other, b.Links()[0].ID), http.StatusOK, "Nothing was changed.")
	if b.Links()[0].Revoked() {
		t.Error("the link of somebody with the same subject ended")
	}
}

// TestLinksSession ends a session in every way that it can end, between the page and the form.
func TestLinksSession(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*testBridge)
		lives  bool
	}{
		"a restart":             {(*testBridge).Restart, true},
		"a new key":             {(*testBridge).RestartWithNewKey, true},
		"almost ten minutes":    {func(b *testBridge) { b.Clock.Advance(10*time.Minute - 2*time.Second) }, true},
		"ten minutes":           {func(b *testBridge) { b.Clock.Advance(10 * time.Minute) }, false},
		"another issuer":        {func(b *testBridge) { b.Config.Providers[0].Issuer += "x"; b.Restart() }, false},
		"another id":            {func(b *testBridge) { b.Config.Providers[0].ID = "new"; b.Restart() }, false},
		"another claim":         {func(b *testBridge) { b.Config.Providers[0].SubjectClaim = "oid"; b.Restart() }, false},
		"the provider is down":  {func(b *testBridge) { b.Provider.SetDown(true) }, true},
		"the person was ended":  {func(b *testBridge) { b.EndAda(false) }, true}, // and has no link any more
		"the person was erased": {func(b *testBridge) { b.EndAda(true) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t)
			_, id := b.LinkSkill("pizza", testbridge.Ada())
			phone := simulator.NewPhone()
			page := b.LinksSignedIn(phone, testbridge.Ada())
			test.change(b)
			if test.lives {
				b.WantPage(b.Open(phone, b.Origin+"/links"), http.StatusOK, "Ada Lovelace")
				b.WantPage(b.Unlink(phone, page, id), http.StatusOK, "Ada Lovelace")
				return
			}
			begin := b.Open(phone, b.Origin+"/links")
			b.WantPage(begin, http.StatusOK, signedOut)
			refused := b.Unlink(phone, page, id)
			b.WantPage(refused, http.StatusForbidden, "Nothing was changed.")
			if strings.Contains(begin.Body+refused.Body, "Ada") {
				t.Error("the page names the person")
			}
			if b.Links()[0].Revoked() {
				t.Error("the link has ended")
			}
		})
	}
}

// TestLinksSignOut signs out of the page. What was opened before does nothing any more.
func TestLinksSignOut(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	_, id := b.LinkSkill("pizza", testbridge.Ada())
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	out := b.Submit(phone, page, url.Values{"decision": {"sign_out"}})
	b.WantPage(out, http.StatusOK, "You are signed out of this page.")
	b.WantPage(b.Unlink(phone, page, id), http.StatusForbidden, signedOut)
	b.WantLogged(map[string]any{"msg": "request rejected", "level": "INFO", "reason": "links_signed_out"})
	if len(phone.Client.Jar.Cookies(mustParse(b.Origin))) != 0 {
		t.Error("cookies are left")
	}
	if b.Links()[0].Revoked() {
		t.Error("the link has ended")
	}
}

// TestLinksOfTwoTabs signs in with another account in another tab. The page of the first account does nothing then.
func TestLinksOfTwoTabs(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	_, id := b.LinkSkill("pizza", testbridge.Ada())
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	var authorization string
	phone.Trace = func(exchange simulator.Exchange) {
		if exchange.URL.Path == "/links" {
			authorization = exchange.Location
		}
	}
	b.WantPage(page, http.StatusOK, `href="/links?account=other&amp;provider=corp"`)
	login := b.Open(phone, b.Origin+"/links?account=other&provider=corp")
	if !strings.Contains(authorization, "prompt=login") {
		t.Errorf("no prompt=login in the request to the provider: %s", authorization)
	}
	b.WantPage(b.SubmitLogin(phone, login, testbridge.Hedy()), http.StatusOK, "Hedy Lamarr")
	for _, form := range []url.Values{{"link_id": {id}}, {"decision": {"all"}}, {"decision": {"sign_out"}}} {
		b.WantPage(b.Submit(phone, page, form), http.StatusBadRequest, "Nothing was changed")
	}
	b.WantPage(b.Open(phone, b.Origin+"/links"), http.StatusOK, "Hedy Lamarr")
	if b.Links()[0].Revoked() {
		t.Error("the link has ended")
	}
}

// TestLinksForgeries sends forms that the page does not have.
func TestLinksForgeries(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	_, id := b.LinkSkill("pizza", testbridge.Ada())
	phone, other := simulator.NewPhone(), simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	otherForm, err := b.LinksSignedIn(other, testbridge.Ada()).FormRequest(nil)
	if err != nil {
		t.Fatal(err)
	}
	rightForm := func() *http.Request {
		request, err := page.FormRequest(url.Values{"link_id": {id}})
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	for _, tt := range []struct {
		name   string
		status int
		change func(*http.Request) *http.Request
	}{
		{"a sibling subdomain", 403, withHeader("Sec-Fetch-Site", "same-site")},
		{"another site", 403, withHeader("Sec-Fetch-Site", "cross-site")},
		{"typed URL", 403, withHeader("Sec-Fetch-Site", "none")},
		{"a sibling's origin", 403, withHeader("Origin", "https://evil.contoso.com")},
		{"our origin on another port", 403, withHeader("Origin", "http://127.0.0.1:1")},
		{"no token", 400, withField("token")},
		{"another session's token", 400, withField("token", otherForm.Form.Get("token"))},
		{"a repeated token", 400, withField("token", rightForm().Form.Get("token"), "x")},
		{"a repeated link", 400, withField("link_id", id, id)},
		{"no link", 400, withField("link_id")},
		{"a link and a decision", 400, withField("decision", "all")},
		{"another decision", 400, withField("decision", "ALL")},
		{"no session", 403, func(request *http.Request) *http.Request {
			return b.NewRequest(http.MethodPost, "/links/unlink", rightForm().Form)
		}},
		{"all in the URL", 400, func(request *http.Request) *http.Request {
			return b.NewRequest(http.MethodPost, "/links/unlink?"+rightForm().Form.Encode(), url.Values{"x": {"y"}})
		}},
		{"JSON", 415, withHeader("Content-Type", "application/json")},
		{"text", 415, withHeader("Content-Type", "text/plain")},
		{"too long", 413, withField("x", strings.Repeat("x", 9000))},
		{"broken escapes", 400, func(request *http.Request) *http.Request { return withBody(request, "link_id=%zz") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := tt.change(rightForm())
			if tt.name != "no session" {
				withCookies(phone, request)
			}
			response, body := b.Do(request)
			if response.StatusCode != tt.status || response.Header.Get("Location") != "" || len(response.Cookies()) > 0 {
				t.Errorf("status %d, want %d; header %v\n%s", response.StatusCode, tt.status, response.Header, body)
			}
		})
	}
	b.WantPage(b.Open(phone, b.Origin+"/links/unlink?link_id="+id), http.StatusOK, "Ada Lovelace") // does nothing
	if b.Links()[0].Revoked() {
		t.Fatal("the link has ended")
	}
	inQuery := withCookies(phone, rightForm()) // the query of the URL is ignored, also if the form is right
	inQuery.URL.RawQuery = "link_id=x&token=y"
	inQuery.Header.Set("Origin", "null")
	if response, body := b.Do(inQuery); response.StatusCode != http.StatusSeeOther || !b.Links()[0].Revoked() {
		t.Errorf("status %d: %s", response.StatusCode, body)
	}
}

// TestLinksCookie checks the cookie of a session, into which the longest name, address and subject fit.
func TestLinksCookie(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	ada := testbridge.Ada()
	ada.Subject = strings.Repeat("s", upstream.MaxSubject)
	ada.GivenName, ada.Email = strings.Repeat("\U0001F355", 300), strings.Repeat("\U0001F355", 70)+"@contoso.com"
	b.Provider.SetPerson(ada)
	phone := simulator.NewPhone()
	phone.Destinations = []string{b.Origin + "/callback/corp"}
	arrived := b.SubmitLogin(phone, b.Open(phone, b.Origin+"/links?provider=corp"), ada)
	callback, _ := b.Do(withCookies(phone, b.NewRequest(http.MethodGet, arrived.URL.String(), nil)))
	for _, cookie := range callback.Cookies() {
		if len(cookie.Name)+len(cookie.Value) > 4096 || cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" ||
			cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s has %d bytes: %+v", cookie.Name, len(cookie.Value), *cookie)
		}
		if cookie.Name == "links" && cookie.MaxAge != 600 || cookie.Name != "links" && cookie.MaxAge >= 0 {
			t.Errorf("%s lives for %d s", cookie.Name, cookie.MaxAge)
		}
	}
	phone.Client.Jar.SetCookies(mustParse(b.Origin), callback.Cookies())
	b.WantPage(b.Open(phone, b.Origin+"/links"), http.StatusOK, "<h1>Your links</h1>")
	if cookies := phone.Client.Jar.Cookies(mustParse(b.Origin)); len(cookies) != 1 || cookies[0].Name != "links" {
		t.Errorf("cookies %v", cookies)
	}
}
