//go:build strict

package templates_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// screenshotsVariable is the environment variable with the folder for screenshots of the pages. Empty: none are
// taken.
const screenshotsVariable = "BRIDGE_TEST_SCREENSHOTS"

// TestLook checks each page on a small phone and on a desktop, in both color schemes: nothing is wider than the
// window, the contrast is that of WCAG AA, and what decides is seen without scrolling.
func TestLook(t *testing.T) {
	ctx, origin := newBrowser(t), servePages(t)
	for _, name := range pageNames() {
		for _, width := range []int64{375, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s %d %s", name, width, scheme), func(t *testing.T) {
					look(t, ctx, origin, name, width, scheme)
				})
			}
		}
	}
}

func look(t *testing.T, ctx context.Context, origin, name string, width int64, scheme string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	height := map[int64]int64{375: 667, 1280: 800}[width]
	media := emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(width, height),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, media)
			return err
		}),
		chromedp.Navigate(origin+"/"+name),
	)
	if err != nil {
		t.Fatal(err)
	}
	screenshot(t, ctx, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
	for what, expression := range map[string]string{
		"wider than the window": `document.documentElement.scrollWidth > innerWidth ? ["the page"] : []`,
		"not in sight":          outOfSight,
		"low contrast":          lowContrast,
	} {
		got, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](expression))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > 0 {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// outOfSight lists what a person must see to decide and does not, before anything is scrolled. To use another account
// is the least likely choice on the consent page.
const outOfSight = `[
	...document.querySelectorAll("button:not(.quiet), .warning, .learns li, .links li, h1")
].filter(e => {
	if (!e.checkVisibility()) { return false; } // in a closed <details>
	const at = e.getBoundingClientRect();
	return at.top < 0 || at.bottom > innerHeight ||
		!e.contains(document.elementFromPoint(at.left + at.width / 2, at.bottom - 2));
}).map(e => e.innerText)`

// lowContrast lists the texts with a contrast below 4.5 (WCAG 2.2, 1.4.3).
const lowContrast = `(() => {
	const parts = color => color.match(/[\d.]+/g).map(Number);
	const light = color => {
		const [r, g, b] = parts(color).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const ground = e => {
		const color = getComputedStyle(e).backgroundColor;
		return parts(color)[3] === 0 ? ground(e.parentElement) : color;
	};
	const contrast = e => {
		const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
		return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
	};
	const hasText = e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim() !== "");
	return [...document.querySelectorAll("main, main *")].filter(hasText)
		.filter(e => contrast(e) < 4.5).map(e => e.outerHTML + " " + contrast(e).toFixed(2));
})()`

func screenshot(t *testing.T, ctx context.Context, file string) {
	t.Helper()
	folder := os.Getenv(screenshotsVariable)
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, file), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
