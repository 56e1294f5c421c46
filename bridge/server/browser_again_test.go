package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge/alexa"
)

// The answer waits until both clicks are made.
func browserDoubleClick(t *testing.T, b *browser) {
	r, tab := b.newRig(t), b.tab(t)
	request := publicRequest(r)
	tab.signIn(request, ada)
	clicked := make(chan struct{})
	b.web.serve(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		<-clicked
		r.server.Public.ServeHTTP(w, request)
	}))
	twice := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		defer close(clicked)
		_, err := chromedp.DoubleClick(button("link"))(ctx, target)
		return err
	})
	atAlexa := func(event page.EventFrameNavigated) bool { return event.Frame.URL == request.RedirectURI }
	take(tab, chromedp.WaitEvent(page.FrameNavigated, atAlexa, twice))
	tab.wantLinked(r, request)
	r.wantLinks(1)
}

func browserTwoTabs(t *testing.T, b *browser) {
	r, first := b.newRig(t), b.tab(t)
	second := first.another()
	one, two := publicRequest(r), publicRequest(r)
	two.RedirectURI = alexa.RedirectURIs(vendorID)[0]
	first.open(one.URL())
	second.open(two.URL())
	first.fillIn(ada)
	second.fillIn(hedy())
	first.wantText("Ada Lovelace")
	second.wantText("Hedy Lamarr")
	second.press("link")
	first.press("link")
	token := first.wantLinked(r, one)
	if other := second.href(); !strings.Contains(other, "#state="+two.State+"&access_token=") || strings.Contains(other, token) {
		t.Errorf("the second tab is at %s", other)
	}
	r.wantLinks(2)
}

// One sign-in is open in two tabs, as after "duplicate tab", and is answered in both.
func browserAnswersAgain(t *testing.T, b *browser) {
	r, first := b.newRig(t), b.tab(t)
	request := publicRequest(r)
	first.signIn(request, ada)
	second, third := first.another(), first.another()
	second.open(first.href())
	third.open(first.href())
	first.press("link")
	token := first.wantLinked(r, request)

	second.press("link") // at once: taken for the same tap
	if again := second.wantLinked(r, request); again != token {
		t.Error("the same answer led to another token")
	}
	r.clock.advance(61 * time.Second)
	third.press("link")
	third.wantText("You have answered this already")
	r.wantLinks(1)
	r.wantActive(token)
}

func browserBack(t *testing.T, b *browser) {
	r, tab := b.newRig(t), b.tab(t)
	request := publicRequest(r)
	tab.signIn(request, ada)
	tab.press("link")
	token := tab.wantLinked(r, request)
	r.clock.advance(61 * time.Second)
	take(tab, chromedp.WaitEvent(page.FrameNavigated, nil, goBack()))
	if x, y, shown := place(tab, "button[value=link]"); shown { // Chromium shows the page as it was left
		tab.follow(chromedp.MouseClickXY(x, y))
	}
	tab.wantText("You have answered this already")
	r.wantLinks(1)
	r.wantActive(token)
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

// place returns where an element is. It asks the page itself, since for a page that the Back button brought back chromedp
// waits in vain.
func place(b *tab, selector string) (x, y float64, found bool) {
	b.Helper()
	expression := `[...document.querySelectorAll("` + selector + `")].map(e => e.getBoundingClientRect())
		.flatMap(r => [r.x + r.width / 2, r.y + r.height / 2])`
	var at []float64
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		answer, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ReturnByValue: new(true)})
		if err != nil {
			return err
		}
		return json.Unmarshal(answer.Result.Value, &at)
	}))
	if len(at) != 2 {
		return 0, 0, false
	}
	return at[0], at[1], true
}
