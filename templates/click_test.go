//go:build strict

package templates_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestDoubleClick clicks on Link as soon as the page is there, as the second click does that a person meant for a
// window before it. Only a click after a moment on the page links.
func TestDoubleClick(t *testing.T) {
	ctx, cancel := context.WithTimeout(newBrowser(t), time.Minute)
	defer cancel()
	// A browser without a screen says that it has no mouse, so the rules for one are applied to it by hand.
	const prepare = `
		[...document.styleSheets[0].cssRules].filter(r => r.media?.mediaText === "(hover: hover)")
			.forEach(r => r.media.mediaText = "all");
		window.sent = 0;
		document.querySelector("form").addEventListener("submit", e => { e.preventDefault(); window.sent++ });`
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800),
		chromedp.Navigate(servePages(t)+"/consent")); err != nil {
		t.Fatal(err)
	}
	at, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](prepare+`(() => {
		const {x, y, width, height} = document.querySelector(".deed").getBoundingClientRect();
		return [x + width / 2, y + height / 2];
	})()`))
	if err != nil {
		t.Fatal(err)
	}
	click := func() (sent int) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.MouseClickXY(at[0], at[1])); err != nil {
			t.Fatal(err)
		}
		sent, err := chromedp.Run(ctx, chromedp.Evaluate[int](`window.sent`))
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	if sent := click(); sent != 0 {
		t.Error("a click at once links")
	}
	// The animation has ended when the button takes clicks.
	_, err = chromedp.Run(ctx,
		chromedp.Poll[bool](`getComputedStyle(document.querySelector(".deed")).pointerEvents === "auto"`))
	if err != nil {
		t.Fatal(err)
	}
	if sent := click(); sent != 1 {
		t.Errorf("a click after a moment is sent %d times", sent)
	}
}

// TestFragmentDoesNotScroll opens the consent page in a small window with a fragment of a stranger.
func TestFragmentDoesNotScroll(t *testing.T) {
	ctx, cancel := context.WithTimeout(newBrowser(t), time.Minute)
	defer cancel()
	origin := servePages(t)
	for _, fragment := range []string{"#learns", "#:~:text=The%20skill%20will%20receive"} {
		err := chromedp.Do(ctx, chromedp.EmulateViewport(400, 300), chromedp.Navigate(origin+"/home"),
			chromedp.Navigate(origin+"/consent"+fragment))
		if err != nil {
			t.Fatal(err)
		}
		if y, err := chromedp.Run(ctx, chromedp.Evaluate[float64](`scrollY`)); err != nil || y != 0 {
			t.Errorf("%s: scrolled to %v, %v", fragment, y, err)
		}
	}
}
