//go:build strict

package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestBrowser tests what needs a real browser: cookies, redirects after forms, policies, the keyboard, the Back
// button. All subtests use one process.
func TestBrowser(t *testing.T) {
	tests := []struct {
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
		{"decide again later", browserDecideAgain},
		{"back after linking", browserBack},
		{"provider down", browserProviderDown},
		{"another account", browserAnotherAccount},
		{"unlink", browserUnlink},
		{"sign out of the page of links", browserSignOut},
		{"unlink by keyboard", browserUnlinkByKeyboard},
		{"plain HTTP on loopback", browserPlainHTTP},
		{"pages", browserPages},
	}
	browser := startBrowser(t, startWeb(t))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, browser) })
	}
}

func browserLinks(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	for _, redirectURI := range alexa.RedirectURIs(testbridge.VendorID) {
		request := b.Request()
		request.RedirectURI = redirectURI
		tab.link(b, request)
	}
	b.WantLinks(len(alexa.RedirectURIs(testbridge.VendorID)))
}

func browserStates(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	for _, state := range []string{
		simulator.NewState(), // 737 bytes
		(simulator.NewState() + simulator.NewState() + simulator.NewState())[:1500],
		strings.Repeat("+/=&#% ?", 187) + "end:",
		"\\\"<>`{}|^'[]~ \t%41%zz\u00e9\u2028", // what browsers may rewrite
	} {
		b.KeepSecret(state)
		request := b.Request()
		request.State = state
		tab.signIn(request, testbridge.Ada())
		tab.press("link")
		fragment := "#state=" + strings.ReplaceAll(url.QueryEscape(state), "+", "%20") + "&access_token="
		tab.wantAt(request.RedirectURI + fragment)
	}
	b.WantLinks(4)
}

func browserCancel(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	request := b.Request()
	tab.signIn(request, testbridge.Ada())
	tab.press("cancel")
	tab.wantAt(request.RedirectURI + "#state=" + request.State + "&error=access_denied&error_description=")
	tab.wantArrival(request, "access_denied")
	b.WantLinks(0)
}

// The consent page is used by keyboard only, with a visible focus.
func browserKeyboard(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	request := b.Request()
	tab.signIn(request, testbridge.Ada())
	for _, value := range []string{"link", "cancel", "switch"} {
		tab.do(chromedp.KeyEvent(kb.Tab))
		if got := evaluate[string](tab, "document.activeElement.value ?? document.activeElement.tagName"); got != value {
			t.Fatalf("Tab moves the focus to %q, want %q", got, value)
		}
		if !tab.truth(`(style => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)(
			getComputedStyle(document.activeElement))`) {
			t.Errorf("the focus on %q is not visible", value)
		}
	}
	back := chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(kb.ModifierShift))
	tab.do(back, back)
	tab.follow(chromedp.KeyEvent(kb.Enter))
	tab.wantLinked(b, request)
}

func browserWithoutScripts(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	request := b.Request()
	tab.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	tab.link(b, request)
}

func browserProviderDown(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	request := b.Request()
	b.Provider.SetDown(true)
	tab.open(request.URL())
	tab.wantText("sign‑in does not answer")

	b.Provider.SetDown(false)
	b.Clock.Advance(retryAfter)
	tab.follow(tab.clickOn("a.button"))
	browser.web.serve(downAtCallback(b))
	tab.fillIn(testbridge.Ada())
	tab.wantText("sign‑in does not answer")

	browser.web.serve(b.Server.Public)
	b.Provider.SetDown(false)
	tab.press("switch")
	tab.fillIn(testbridge.Ada())
	tab.press("link")
	tab.wantLinked(b, request)
	b.WantLinks(1)
}

// downAtCallback is a handler that stops the provider at the callback, so that the code cannot be exchanged.
func downAtCallback(b *testBridge) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.HasPrefix(request.URL.Path, "/callback/") {
			b.Provider.SetDown(true)
		}
		b.Server.Public.ServeHTTP(w, request)
	})
}

// The provider is panva's, which has sessions. It ends one by a page with a script before another begins.
func browserAnotherAccount(t *testing.T, browser *browser) {
	b := startPanva(t, func(b *testBridge) { b.Config.PublicURL = publicOrigin }).testBridge
	browser.web.serve(b.Server.Public)
	tab := browser.tab(t)
	request := b.Request()
	tab.signIn(request, testbridge.Ada())
	tab.open(request.URL())
	tab.wantText("Ada Lovelace") // without a login page: the provider has a session
	tab.press("switch")
	atConsent := func(event page.EventFrameNavigated) bool { return strings.HasPrefix(event.Frame.URL, publicOrigin) }
	tab.enterCredentials(testbridge.Hedy())
	run(tab, chromedp.WaitEvent(page.FrameNavigated, atConsent, tab.clickOn(button("sign-in"))))
	tab.wantLoaded()
	tab.wantText("Hedy Lamarr")
	if tab.truth(`document.body.innerText.includes("Ada")`) {
		t.Error("Ada is on the consent page for Hedy")
	}
	tab.press("link")
	if got := b.Lookup(tab.wantLinked(b, request)).Subject; got != testbridge.Hedy().Subject {
		t.Errorf("linked %s, want %s", got, testbridge.Hedy().Subject)
	}
	b.WantLinks(1)
}

// On a loopback address without TLS cookies are not Secure. The demo runs like this.
func browserPlainHTTP(t *testing.T, browser *browser) {
	b, tab := startBridge(t), browser.tab(t)
	browser.web.serve(http.NotFoundHandler())
	request := b.Request()
	tab.link(b, request)
}

func TestBrowserWithoutCookies(t *testing.T) {
	w := startWeb(t)
	browser := startBrowser(t, w, withPreferences(t, `{"profile":{"default_content_setting_values":{"cookies":2}}}`))
	b, tab := browser.bridge(t), newTab(t, w, browser.ctx)
	tab.signIn(b.Request(), testbridge.Ada())
	tab.wantText("start again")
	tab.wantText("cookies")
	b.WantLinks(0)
	b.WantMetric("bridge_callbacks_without_cookie_total 1")
}
