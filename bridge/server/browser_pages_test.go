//go:build strict

package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// screenshotsVariable is the environment variable with the folder for screenshots of the pages. Empty: none are
// taken.
const screenshotsVariable = "BRIDGE_TEST_SCREENSHOTS"

// Every kind of page is checked for structure, accessibility and contrast, at several widths and in both color
// schemes.
func browserPages(t *testing.T, browser *browser) {
	b := browser.bridge(t, longSkill)
	b.Provider.SetPerson(longPerson())
	for name, open := range map[string]func(*tab, *testBridge){
		"consent":       func(tb *tab, b *testBridge) { tb.signIn(b.Request(), testbridge.Ada()) },
		"consent-long":  openLongConsent,
		"no-cookie":     func(tb *tab, b *testBridge) { tb.open(publicOrigin + "/callback/corp?code=c&state=s") },
		"wrong-address": openWrongAddress,
		"provider-down": openProviderDown,
		"home":          func(tb *tab, b *testBridge) { tb.open(publicOrigin + "/") },
		"links-sign-in": func(tb *tab, b *testBridge) { tb.open(publicOrigin + "/links") },
		"links-long":    openLongLinks,
	} {
		t.Run(name, func(t *testing.T) {
			tab := browser.tab(t)
			open(tab, b)
			if got := tab.href(); !strings.HasPrefix(got, publicOrigin) {
				t.Fatalf("at %s", got)
			}
			tab.wantStructure()
			tab.wantNames()
			tab.wantLook(name)
			tab.wantQuiet()
		})
	}
}

// longSkill gives the skill "lights" a long name.
func longSkill(b *testBridge) {
	lights := b.Config.Skills[1]
	lights.Name = "Contoso Lights, Blinds & Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
	lights.Claims = []string{bridge.ClaimEmail, bridge.ClaimName, bridge.ClaimGroups, "employee_number"}
}

// longPerson is Hedy with long names and many groups.
func longPerson() upstreamtest.Person {
	person := testbridge.Hedy()
	person.FamilyName = strings.Repeat("Kiesler-", 20)
	person.Email = strings.Repeat("hedwig.eva.maria.", 6) + "lamarr@" + strings.Repeat("subsidiary.", 6) + "contoso.com"
	for i := range 30 {
		person.Groups = append(person.Groups, fmt.Sprintf("CN=Group_%d,OU=Departments,OU=Europe,DC=contoso,DC=com", i))
	}
	person.Claims = map[string]any{"employee_number": strings.Repeat("0123456789", 15)}
	return person
}

func openLongConsent(tb *tab, b *testBridge) {
	request := b.Request()
	request.ClientID = "lights"
	tb.signIn(request, testbridge.Hedy())
}

func openLongLinks(tb *tab, b *testBridge) {
	openLongConsent(tb, b)
	tb.press("link")
	tb.open(publicOrigin + "/links?provider=corp")
	tb.fillIn(testbridge.Hedy())
	tb.wantText("Contoso Lights")
}

func openWrongAddress(tb *tab, b *testBridge) {
	request := b.Request()
	request.RedirectURI = "https://" + strings.Repeat("w", 80) + ".example/"
	tb.open(request.URL())
}

func openProviderDown(tb *tab, b *testBridge) {
	tb.open(b.Request().URL())
	tb.web.serve(downAtCallback(b))
	tb.fillIn(testbridge.Ada())
	tb.web.serve(b.Server.Public)
	b.Provider.SetDown(false)
}

// wantStructure checks what assistive technology needs, and that the page loads nothing and has no script.
func (tb *tab) wantStructure() {
	tb.Helper()
	const (
		viewport        = `document.querySelector("meta[name=viewport]").content`
		elements        = `[...document.querySelectorAll("*")]`
		buttonsAndLinks = `[...document.querySelectorAll("button, a")]`
	)
	for what, expression := range map[string]string{
		"the page has a language":     `document.documentElement.lang === "en"`,
		"it has a title":              `document.title.trim() !== ""`,
		"it has one h1":               `document.querySelectorAll("h1").length === 1`,
		"which is not empty":          `document.querySelector("h1").innerText.trim() !== ""`,
		"everything is in main":       `document.querySelectorAll("body > :not(main)").length === 0`,
		"it can be zoomed":            `!/user-scalable|maximum-scale/.test(` + viewport + `)`,
		"it has no script":            `document.scripts.length === 0`,
		"nor event attributes":        elements + `.every(e => !/ on/.test(" " + e.getAttributeNames().join(" ")))`,
		"it loads nothing":            `performance.getEntriesByType("resource").length === 0`,
		"buttons and links are large": buttonsAndLinks + `.every(e => !e.checkVisibility() || e.offsetHeight >= 44)`,
	} {
		if !tb.truth(expression) {
			tb.Errorf("want: %s", what)
		}
	}
}

// wantNames checks that every control has an accessible name.
func (tb *tab) wantNames() {
	tb.Helper()
	tree := run(tb, func(ctx context.Context, t *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	controls := 0
	for _, node := range tree.Nodes {
		if !focusable(node) || axText(node.Role) == "RootWebArea" {
			continue
		}
		controls++
		if axText(node.Name) == "" {
			tb.Errorf("a %s has no name", axText(node.Role))
		}
	}
	visible := `[...document.querySelectorAll("button, a, summary, input:not([type=hidden])")]` +
		`.filter(e => e.checkVisibility())`
	if want := evaluate[int](tb, visible+".length"); controls != want {
		tb.Errorf("%d controls in the accessibility tree, want %d", controls, want)
	}
}

func focusable(node *accessibility.Node) bool {
	for _, property := range node.Properties {
		if property.Name == accessibility.PropertyNameFocusable {
			return string(property.Value.Value) == "true"
		}
	}
	return false
}

func axText(value *accessibility.Value) string {
	if value == nil {
		return ""
	}
	return strings.TrimSpace(strings.Trim(string(value.Value), `"`))
}

// wantLook checks the layout at the widths of phones and desktops, and the contrast in both color schemes.
func (tb *tab) wantLook(name string) {
	tb.Helper()
	for _, screen := range []struct {
		width, height int64
		scale         float64
		screenshot    bool
	}{{320, 640, 2, false}, {360, 740, 2, true}, {1280, 800, 1, true}} {
		tb.do(chromedp.EmulateViewport(screen.width, screen.height, chromedp.EmulateScale(screen.scale)))
		if !tb.truth("document.documentElement.scrollWidth <= innerWidth") {
			tb.Errorf("at a width of %d the page is wider than the screen", screen.width)
		}
		for _, scheme := range []string{"light", "dark"} {
			tb.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}))
			tb.wantContrast(scheme)
			if screen.screenshot {
				tb.screenshot(fmt.Sprintf("%s-%d-%s.png", name, screen.width, scheme))
			}
		}
	}
}

// lowContrast lists the texts with a contrast below 4.5 (WCAG 2.2, 1.4.3). Colors are rgb or rgba. An element with a
// transparent background has that of its parent.
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

func (tb *tab) wantContrast(scheme string) {
	tb.Helper()
	if texts := evaluate[[]string](tb, lowContrast); len(texts) > 0 {
		tb.Errorf("low contrast in the %s scheme: %q", scheme, texts)
	}
}

func (tb *tab) screenshot(file string) {
	tb.Helper()
	folder := os.Getenv(screenshotsVariable)
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, file), run(tb, chromedp.FullScreenshot(100)), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// wantQuiet checks that the browser reported no problem with the page, and that an injected script does not run.
func (tb *tab) wantQuiet() {
	tb.Helper()
	for _, report := range tb.reported() {
		// Error pages have an error status, and /authorize sets a cookie and redirects.
		if !strings.HasPrefix(report, "network: ") && report != "issue: BounceTrackingIssue" {
			tb.Errorf("the browser reported: %s", report)
		}
	}
	if !tb.truth(`(() => {
		const script = document.createElement("script");
		script.textContent = "document.title = 'it ran'";
		document.body.append(script);
		return document.title !== "it ran";
	})()`) {
		tb.Error("an injected script ran")
	}
}
