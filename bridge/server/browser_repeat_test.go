//go:build strict

package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/internal/testbridge"
)

// The response waits until both clicks are made.
func browserDoubleClick(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	request := b.Request()
	tab.signIn(request, testbridge.Ada())
	clicked := make(chan struct{})
	browser.web.serve(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		<-clicked
		b.Server.Public.ServeHTTP(w, request)
	}))
	first, second := tab.clickOn(button("link")), tab.clickOn(button("link"), chromedp.ClickCount(2))
	twice := chromedp.Steps(first, second, chromedp.Func(func(context.Context, *chromedp.Target) error {
		close(clicked)
		return nil
	}))
	atAlexa := func(event page.EventFrameNavigated) bool { return event.Frame.URL == request.RedirectURI }
	run(tab, chromedp.WaitEvent(page.FrameNavigated, atAlexa, twice))
	tab.wantLinked(b, request)
	b.WantLinks(1)
}

func browserTwoTabs(t *testing.T, browser *browser) {
	b, first := browser.bridge(t), browser.tab(t)
	second := first.another()
	one, two := b.Request(), b.Request()
	two.RedirectURI = alexa.RedirectURIs(testbridge.VendorID)[0]
	first.open(one.URL())
	second.open(two.URL())
	first.fillIn(testbridge.Ada())
	second.fillIn(testbridge.Hedy())
	first.wantText("Ada Lovelace")
	second.wantText("Hedy Lamarr")
	second.press("link")
	first.press("link")
	token := first.wantLinked(b, one)
	second.wantAt(two.RedirectURI + "#state=" + two.State + "&access_token=")
	if strings.Contains(second.href(), token) {
		t.Error("both tabs got the same token")
	}
	b.WantLinks(2)
}

// One consent page is open in several tabs, as after "duplicate tab", and is decided in each.
func browserDecideAgain(t *testing.T, browser *browser) {
	b, first := browser.bridge(t), browser.tab(t)
	request := b.Request()
	first.signIn(request, testbridge.Ada())
	second, third := first.another(), first.another()
	second.open(first.href())
	third.open(first.href())
	first.press("link")
	token := first.wantLinked(b, request)

	second.press("link") // at once, which counts as the same tap
	if again := second.wantLinked(b, request); again != token {
		t.Error("the same decision got another token")
	}
	b.Clock.Advance(61 * time.Second)
	third.press("link")
	third.wantText("You have answered this already")
	b.WantLinks(1)
	b.WantActive(token)
}

func browserBack(t *testing.T, browser *browser) {
	b, tab := browser.bridge(t), browser.tab(t)
	request := b.Request()
	token := tab.link(b, request)
	b.Clock.Advance(61 * time.Second)
	run(tab, chromedp.WaitEvent(page.FrameNavigated, nil, goBack()))
	tab.wantLoaded()
	if tab.truth(`document.querySelector("form") !== null`) { // from the cache for the Back button, not requested again
		tab.press("link")
	}
	tab.wantText("You have answered this already")
	b.WantLinks(1)
	b.WantActive(token)
}

func goBack() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		history, err := cdp.Call(ctx, t, page.GetNavigationHistory, cdp.Empty{})
		if err != nil {
			return err
		}
		entry := history.Entries[history.CurrentIndex-1].ID
		_, err = cdp.Call(ctx, t, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entry})
		return err
	})
}
