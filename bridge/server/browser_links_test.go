//go:build strict

package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// A person sees and ends their links on a phone, without scripts. The form of the page may be sent here only, and the
// browser applies that to the redirect after it.
func browserUnlink(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	b.Clock.Advance(-time.Hour)
	var tokens []string
	for range 3 {
		tokens = append(tokens, tab.link(b, b.Request()))
		b.Clock.Advance(time.Minute)
	}
	tab.do(chromedp.EmulateViewport(375, 667, chromedp.EmulateScale(2)),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	tab.openLinks()
	tab.wantText("Contoso Pizza")
	tab.press(b.Links()[0].ID)
	tab.wantText("Contoso Pizza is unlinked")
	tab.wantAt(publicOrigin + "/links")
	b.WantInactive(tokens[0])
	b.WantActive(tokens[1])
	tab.follow(reload())
	if tab.truth(`document.body.innerText.includes("is unlinked")`) {
		t.Error("loading the page again says it again")
	}
	if tab.truth(`document.querySelector("button[value=all]").checkVisibility()`) {
		t.Error("all links end by one tap")
	}
	tab.do(tab.clickOn("summary"))
	tab.screenshot("links-all-375-light.png")
	tab.press("all")
	tab.wantText("All your links have ended")
	b.WantInactive(tokens[2])
	if reports := tab.reported(); len(reports) > 0 {
		t.Errorf("the browser reported: %q", reports)
	}
}

// openLinks goes from the landing page to the page of Ada's links.
func (tb *tab) openLinks() {
	tb.Helper()
	tb.open(publicOrigin + "/")
	tb.follow(tb.clickOn(`a[href="/links"]`))
	tb.wantText("See and end your links")
	tb.follow(tb.clickOn(`a.deed`))
	tb.fillIn(testbridge.Ada())
	tb.wantText("Ada Lovelace")
}

func reload() chromedp.Action[chromedp.Void] { return command(page.Reload, page.ReloadParams{}) }

// The Back button does not bring back a person who has signed out, and a page from before does nothing.
func browserSignOut(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	tab.link(b, b.Request())
	tab.openLinks()
	other := tab.another()
	other.open(publicOrigin + "/links")
	other.wantText("Ada Lovelace")
	tab.open(publicOrigin + "/links/unlink") // typed, and one more entry in the history
	tab.press("sign_out")
	tab.wantText("You are signed out of this page")
	run(tab, chromedp.WaitEvent(page.FrameNavigated, nil, goBack()))
	tab.wantLoaded()
	if tab.truth(`document.body.innerText.includes("Ada")`) {
		t.Error("the Back button shows the links again")
	}
	other.press(b.Links()[0].ID)
	other.wantText("Nothing was changed")
	if b.Links()[0].Reason != bridge.Reason("") {
		t.Error("the link has ended")
	}
}

// pressKeys moves the focus by Tab, checks which element has it, and that this is visible, and presses Enter.
func (tb *tab) pressKeys(selector string, tabs int) {
	tb.Helper()
	for range tabs {
		tb.do(chromedp.KeyEvent(kb.Tab))
	}
	const focused = `(e => e.matches(%q) && getComputedStyle(e).outlineStyle !== "none")(document.activeElement)`
	if !tb.truth(fmt.Sprintf(focused, selector)) {
		tb.Fatalf("the focus is on %s", evaluate[string](tb, "document.activeElement.outerHTML"))
	}
	tb.follow(chromedp.KeyEvent(kb.Enter))
}

// The links of a person at one of two providers are chosen by keyboard only.
func browserUnlinkByKeyboard(t *testing.T, browser *browser) {
	b := browser.bridge(t)
	withSecondProvider(b)
	b.Restart()
	browser.web.serve(b.Server.Public)
	tab := browser.tab(t)
	tab.link(b, b.Request())
	tab.open(publicOrigin + "/links")
	tab.wantText("Where do you sign in?")
	tab.pressKeys("a", 1)
	tab.fillIn(testbridge.Ada())
	tab.pressKeys("button[name=link_id]", 1)
	tab.wantText("Contoso Pizza is unlinked")
	tab.wantText("No skill is linked to this account")
}
