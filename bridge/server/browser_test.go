//go:build strict

package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestBrowser is what only a real browser can tell: cookies, redirects after forms, policies, keys, the Back button. One
// process serves all of it.
func TestBrowser(t *testing.T) {
	b := startBrowser(t, startWeb(t))
	for _, test := range []struct {
		name string
		run  func(*testing.T, *browser)
	}{
		{"links at every redirect URI", browserLinks},
		{"long states", browserStates},
		{"cancel", browserCancel},
		{"keyboard only", browserKeyboard},
		{"without scripts", browserWithoutScripts},
		{"double click", browserDoubleClick},
		{"two tabs at once", browserTwoTabs},
		{"answered again later", browserAnswersAgain},
		{"back after linking", browserBack},
		{"provider down", browserProviderDown},
		{"another account", browserAnotherAccount},
		{"on plain HTTP at home", browserPlainHTTP},
		{"pages", browserPages},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, b) })
	}
}

func browserLinks(t *testing.T, b *browser) {
	r, tab := b.testbridge.Start(t), b.tab(t)
	for _, redirectURI := range alexa.RedirectURIs(testbridge.VendorID) {
		request := publicRequest(r)
		request.RedirectURI = redirectURI
		tab.signIn(request, testbridge.Ada())
		tab.wantText("Ada Lovelace")
		tab.press("link")
		tab.wantLinked(r, request)
	}
	b.WantLinks(len(alexa.RedirectURIs(testbridge.VendorID)))
}

func browserStates(t *testing.T, b *browser) {
	r, tab := b.testbridge.Start(t), b.tab(t)
	for _, state := range []string{
		simulator.NewState(), // 737 bytes
		(simulator.NewState() + simulator.NewState() + simulator.NewState())[:1500],
		strings.Repeat("+/=&#% ?", 187) + "end:",
		"\\\"<>`{}|^'[]~ \t%41%zz\u00e9\u2028", // what browsers like to rewrite
	} {
		b.KeepSecret(state)
		request := publicRequest(r)
		request.State = state
		tab.signIn(request, testbridge.Ada())
		tab.press("link")
		want := request.RedirectURI + "#state=" + strings.ReplaceAll(url.QueryEscape(state), "+", "%20") + "&access_token="
		if got := tab.href(); !strings.HasPrefix(got, want) {
			t.Errorf("arrived at %s, want %s", got, want)
		}
	}
	b.WantLinks(4)
}

func browserCancel(t *testing.T, b *browser) {
	r, tab := b.testbridge.Start(t), b.tab(t)
	request := publicRequest(r)
	tab.signIn(request, testbridge.Ada())
	tab.press("cancel")
	want := request.RedirectURI + "#state=" + request.State + "&error=access_denied&error_description="
	if got := tab.href(); !strings.HasPrefix(got, want) {
		t.Errorf("arrived at %s, want %s", got, want)
	}
	tab.wantArrival(request, "access_denied")
	b.WantLinks(0)
}

// Nothing but the keyboard is used, and where one is can be seen.
func browserKeyboard(t *testing.T, b *browser) {
	r, tab := b.testbridge.Start(t), b.tab(t)
	request := publicRequest(r)
	tab.signIn(request, testbridge.Ada())
	for _, value := range []string{"link", "cancel", "switch"} {
		tab.do(chromedp.KeyEvent(kb.Tab))
		if got := ask[string](tab, "document.activeElement.value ?? document.activeElement.tagName"); got != value {
			t.Fatalf("the next key Tab leads to %q, want %q", got, value)
		}
		if !tab.truth(`(style => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)(
			getComputedStyle(document.activeElement))`) {
			t.Errorf("it cannot be seen that %q has the focus", value)
		}
	}
	back := chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(kb.ModifierShift))
	tab.do(back, back)
	tab.follow(chromedp.KeyEvent(kb.Enter))
	tab.wantLinked(r, request)
}

func browserWithoutScripts(t *testing.T, b *browser) {
	r, tab := b.testbridge.Start(t), b.tab(t)
	request := publicRequest(r)
	tab.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	tab.signIn(request, testbridge.Ada())
	tab.press("link")
	tab.wantLinked(r, request)
}

func browserProviderDown(t *testing.T, b *browser) {
	r, tab := b.testbridge.Start(t), b.tab(t)
	request := publicRequest(r)
	b.Provider.SetDown(true)
	tab.open(request.URL())
	tab.wantText("sign‑in does not answer")

	b.Provider.SetDown(false)
	b.Clock.Advance(3 * time.Second) // a failed discovery is not tried again at once
	tab.follow(tab.clickOn("a.button"))
	b.web.serve(downAtCallback(r))
	tab.fillIn(testbridge.Ada())
	tab.wantText("sign‑in does not answer")

	b.web.serve(b.Server.Public)
	b.Provider.SetDown(false)
	tab.press("switch")
	tab.fillIn(testbridge.Ada())
	tab.press("link")
	tab.wantLinked(r, request)
	b.WantLinks(1)
}

// downAtCallback lets the provider fail in between: it has sent the person back, and its code cannot be exchanged.
func downAtCallback(b *testbridge.Bridge) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.HasPrefix(request.URL.Path, "/callback/") {
			b.Provider.SetDown(true)
		}
		b.Server.Public.ServeHTTP(w, request)
	})
}

// The provider is panva's, which keeps sessions, and ends one by a page with a script before another begins.
func browserAnotherAccount(t *testing.T, b *browser) {
	r, _ := newPanvaRig(t, func(b *testbridge.Bridge) { b.Config.PublicURL = publicOrigin })
	b.web.serve(b.Server.Public)
	tab := b.tab(t)
	request := publicRequest(r)
	tab.signIn(request, testbridge.Ada())
	tab.open(request.URL())
	tab.wantText("Ada Lovelace") // without a login page: the provider still knows her
	tab.press("switch")
	atConsent := func(event page.EventFrameNavigated) bool { return strings.HasPrefix(event.Frame.URL, publicOrigin) }
	tab.credentials(testbridge.Hedy())
	take(tab, chromedp.WaitEvent(page.FrameNavigated, atConsent, tab.clickOn(button("sign-in"))))
	tab.wantLoaded()
	tab.wantText("Hedy Lamarr")
	tab.press("link")
	if got := b.Lookup(tab.wantLinked(r, request)).Subject; got != testbridge.Hedy().Subject {
		t.Errorf("linked %s, want %s", got, testbridge.Hedy().Subject)
	}
	b.WantLinks(1)
}

// On a loopback address without TLS cookies cannot be Secure; the demo runs like this.
func browserPlainHTTP(t *testing.T, b *browser) {
	r, tab := testbridge.Start(t), b.tab(t)
	b.web.serve(http.NotFoundHandler())
	request := b.Request()
	tab.signIn(request, testbridge.Ada())
	tab.press("link")
	tab.wantLinked(r, request)
}

func TestBrowserWithoutCookies(t *testing.T) {
	w := startWeb(t)
	b := startBrowser(t, w, withPreferences(t, `{"profile":{"default_content_setting_values":{"cookies":2}}}`))
	r, tab := b.testbridge.Start(t), newTab(t, w, b.ctx)
	tab.signIn(publicRequest(r), testbridge.Ada())
	tab.wantText("start again")
	tab.wantText("cookies")
	b.WantLinks(0)
	b.WantMetric("bridge_callbacks_without_cookie_total 1")
}
