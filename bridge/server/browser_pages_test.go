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

// screenshotFolder names the environment variable with the folder for pictures of the pages; without it none are taken.
const screenshotFolder = "BRIDGE_TEST_SCREENSHOTS"

// browserPages holds every kind of page to what people need of it, on a phone and on a desk, by day and by night.
func browserPages(t *testing.T, b *browser) {
	r := b.testbridge.Start(t, longSkill)
	b.Provider.SetPerson(longPerson())
	for name, open := range map[string]func(*tab, *testbridge.Bridge){
		"consent":       func(b *tab, b *testbridge.Bridge) { b.signIn(publicRequest(r), testbridge.Ada()) },
		"consent-long":  openLongConsent,
		"no-cookie":     func(b *tab, b *testbridge.Bridge) { b.open(publicOrigin + "/callback/corp?code=c&state=s") },
		"wrong-address": openWrongAddress,
		"provider-down": openProviderDown,
		"home":          func(b *tab, b *testbridge.Bridge) { b.open(publicOrigin + "/") },
	} {
		t.Run(name, func(t *testing.T) {
			tab := b.tab(t)
			open(tab, r)
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

// longSkill gives one skill a name that hardly fits anywhere.
func longSkill(b *testbridge.Bridge) {
	lights := b.Config.Skills[1]
	lights.Name = "Contoso Lights, Blinds & Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
	lights.Claims = []string{bridge.ClaimEmail, bridge.ClaimName, bridge.ClaimGroups, "employee_number"}
}

// longPerson is hedy with everything too long.
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

func openLongConsent(b *tab, b *testbridge.Bridge) {
	request := publicRequest(r)
	request.ClientID = "lights"
	b.signIn(request, testbridge.Hedy())
}

func openWrongAddress(b *tab, b *testbridge.Bridge) {
	request := publicRequest(r)
	request.RedirectURI = "https://" + strings.Repeat("w", 80) + ".example/"
	b.open(request.URL())
}

func openProviderDown(b *tab, b *testbridge.Bridge) {
	b.open(publicRequest(r).URL())
	b.web.serve(downAtCallback(r))
	b.fillIn(testbridge.Ada())
	b.web.serve(b.Server.Public)
	b.Provider.SetDown(false)
}

// wantStructure checks what a reader that does not see the page goes by, and that there is nothing in it but itself.
func (b *tab) wantStructure() {
	b.Helper()
	for what, expression := range map[string]string{
		"the page has a language":        `document.documentElement.lang === "en"`,
		"it has a title":                 `document.title.trim() !== ""`,
		"it has one h1":                  `document.querySelectorAll("h1").length === 1`,
		"that says something":            `document.querySelector("h1").innerText.trim() !== ""`,
		"everything is in main":          `document.querySelectorAll("body > :not(main)").length === 0`,
		"it can be zoomed":               `!/user-scalable|maximum-scale/.test(document.querySelector("meta[name=viewport]").content)`,
		"it has no script":               `document.scripts.length === 0`,
		"nor one in an attribute":        `[...document.querySelectorAll("*")].every(e => !/ on/.test(" " + e.getAttributeNames().join(" ")))`,
		"it loads nothing":               `performance.getEntriesByType("resource").length === 0`,
		"what is to be touched is large": `[...document.querySelectorAll("button, a")].every(e => e.offsetHeight >= 44)`,
	} {
		if !b.truth(expression) {
			b.Errorf("not true: %s", what)
		}
	}
}

// wantNames checks that everything that can be used has a name that a screen reader says.
func (b *tab) wantNames() {
	b.Helper()
	tree := take(b, func(ctx context.Context, t *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	used := 0
	for _, node := range tree.Nodes {
		if !focusable(node) || axText(node.Role) == "RootWebArea" {
			continue
		}
		used++
		if axText(node.Name) == "" {
			b.Errorf("a %s has no name", axText(node.Role))
		}
	}
	if want := ask[int](b, `document.querySelectorAll("button, a, input:not([type=hidden])").length`); used != want {
		b.Errorf("%d things can be used by a screen reader, want %d", used, want)
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

// wantLook checks the page at widths of phones and desks, in both color schemes.
func (b *tab) wantLook(name string) {
	b.Helper()
	for _, screen := range []struct {
		width, height int64
		scale         float64
		pictured      bool
	}{{320, 640, 2, false}, {360, 740, 2, true}, {1280, 800, 1, true}} {
		b.do(chromedp.EmulateViewport(screen.width, screen.height, chromedp.EmulateScale(screen.scale)))
		if !b.truth("document.documentElement.scrollWidth <= innerWidth") {
			b.Errorf("at a width of %d the page is wider than the screen", screen.width)
		}
		for _, scheme := range []string{"light", "dark"} {
			b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}))
			b.wantContrast(scheme)
			if screen.pictured {
				b.picture(fmt.Sprintf("%s-%d-%s.png", name, screen.width, scheme))
			}
		}
	}
}

// paleTexts lists the texts with a contrast below 4.5 (WCAG 2.2, 1.4.3). Colours come as rgb or rgba; what has no
// background of its own stands on its parent's.
const paleTexts = `(() => {
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

func (b *tab) wantContrast(scheme string) {
	b.Helper()
	if pale := ask[[]string](b, paleTexts); len(pale) > 0 {
		b.Errorf("hard to read in the %s scheme: %q", scheme, pale)
	}
}

func (b *tab) picture(file string) {
	b.Helper()
	folder := os.Getenv(screenshotFolder)
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, file), take(b, chromedp.FullScreenshot(100)), 0o644); err != nil {
		b.Fatal(err)
	}
}

// wantQuiet checks that the browser found nothing wrong with the page, and that a script that got into it would not run.
func (b *tab) wantQuiet() {
	b.Helper()
	for _, complaint := range b.complained() {
		// The status of an error page is meant to be one; and to set a cookie and send the browser on is what /authorize does.
		if !strings.HasPrefix(complaint, "network: ") && complaint != "issue: BounceTrackingIssue" {
			b.Errorf("the browser complained: %s", complaint)
		}
	}
	if !b.truth(`(() => {
		const script = document.createElement("script");
		script.textContent = "document.title = 'it ran'";
		document.body.append(script);
		return document.title !== "it ran";
	})()`) {
		b.Error("a script ran")
	}
}
