//go:build strict

package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// stepTimeout is how long one step in a browser may take.
const stepTimeout = 20 * time.Second

// tab is a tab of a browser.
type tab struct {
	*testing.T
	web *web
	ctx context.Context

	mu      sync.Mutex
	reports []string // of the browser about the current page
}

// tab opens a tab with cookies of its own.
func (browser *browser) tab(t *testing.T) *tab {
	t.Helper()
	return newTab(t, browser.web, browser.ctx, chromedp.WithNewBrowserContext())
}

// another opens a tab with the same cookies.
func (tb *tab) another() *tab {
	tb.Helper()
	return newTab(tb.T, tb.web, tb.ctx)
}

func newTab(t *testing.T, w *web, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	tb := &tab{T: t, web: w}
	ctx, stop := chromedp.NewContext(parent, append(options, chromedp.WithListener(tb.listen))...)
	t.Cleanup(stop)
	tb.ctx = ctx
	if err := chromedp.Do(ctx, command(audits.Enable, cdp.Empty{})); err != nil { // without a timeout, as in startBrowser
		t.Fatal(err)
	}
	return tb
}

// listen records what the browser reports on its console and as issues in its developer tools.
func (tb *tab) listen(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch event := event.(type) {
	case *page.EventFrameNavigated:
		tb.reports = nil
	case *cdplog.EventEntryAdded:
		tb.reports = append(tb.reports, string(event.Entry.Source)+": "+event.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		tb.reports = append(tb.reports, "console: "+string(event.Type))
	case *runtime.EventExceptionThrown:
		tb.reports = append(tb.reports, "exception: "+event.ExceptionDetails.Text)
	case *audits.EventIssueAdded:
		tb.reports = append(tb.reports, "issue: "+string(event.Issue.Code))
	}
}

func (tb *tab) reported() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return slices.Clone(tb.reports)
}

// command is a step that sends one command of the DevTools protocol.
func command[P any](command cdp.Command[P, cdp.Empty], parameters P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, parameters)
		return err
	})
}

// run runs an action in the tab and returns its result.
func run[T any](tb *tab, action chromedp.Action[T]) T {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, stepTimeout)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		tb.fail(err)
	}
	return result
}

// fail fails the test with what the browser has reported.
func (tb *tab) fail(cause error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, stepTimeout)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href"))
	if err != nil {
		at = err.Error()
	}
	tb.Fatalf("%v, at %s; the browser reported: %q", cause, at, tb.reported())
}

func (tb *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tb.Helper()
	run(tb, chromedp.Steps(steps...))
}

func (tb *tab) open(address string) *network.Response {
	tb.Helper()
	return run(tb, chromedp.NavigateResponse(address))
}

// press presses a button and waits for the page that it leads to.
func (tb *tab) press(value string) {
	tb.Helper()
	tb.follow(tb.clickOn(button(value)))
}

// follow runs a step that leads to another page, and waits for that page.
func (tb *tab) follow(step chromedp.Action[chromedp.Void]) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, stepTimeout)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		tb.fail(err)
	}
}

// button is the selector of the button with that value.
func button(value string) string { return fmt.Sprintf("button[value=%q]", value) }

// clickOn is a click at the position of an element.
func (tb *tab) clickOn(selector string, options ...chromedp.MouseOption) chromedp.Action[chromedp.Void] {
	tb.Helper()
	at := evaluate[[]float64](tb, fmt.Sprintf(`(() => {
		const element = document.querySelector(%q);
		element.scrollIntoView({block: "center"});
		const {x, y, width, height} = element.getBoundingClientRect();
		return [x + width / 2, y + height / 2];
	})()`, selector))
	return chromedp.MouseClickXY(at[0], at[1], options...)
}

// enter types a text into a field.
func (tb *tab) enter(selector, text string) {
	tb.Helper()
	const focus = `(e => { e.focus(); return document.activeElement === e; })(document.querySelector(%q))`
	if !tb.truth(fmt.Sprintf(focus, selector)) {
		tb.Fatalf("%s does not take the focus", selector)
	}
	tb.do(command(input.InsertText, input.InsertTextParams{Text: text}))
}

// evaluate evaluates an expression in the page. It uses the plain command, because chromedp's own actions have a copy
// of the document, which may be late, and which is missing after the Back button.
func evaluate[T any](tb *tab, expression string) T {
	tb.Helper()
	return run(tb, func(ctx context.Context, t *chromedp.Target) (T, error) {
		var value T
		result, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{
			Expression: expression, ReturnByValue: new(true), AwaitPromise: new(true),
		})
		if err != nil {
			return value, err
		}
		if result.ExceptionDetails != nil {
			return value, fmt.Errorf("%s: %+v", result.ExceptionDetails.Text, result.ExceptionDetails.Exception)
		}
		return value, json.Unmarshal(result.Result.Value, &value)
	})
}

// truth evaluates a boolean expression.
func (tb *tab) truth(expression string) bool {
	tb.Helper()
	return evaluate[bool](tb, expression)
}

func (tb *tab) href() string {
	tb.Helper()
	return evaluate[string](tb, "location.href")
}

// signIn goes from Alexa's request through the provider's login page.
func (tb *tab) signIn(request simulator.Request, person upstreamtest.Person) {
	tb.Helper()
	tb.open(request.URL())
	tb.fillIn(person)
}

// link signs Ada in, consents, and returns the access token.
func (tb *tab) link(b *testBridge, request simulator.Request) string {
	tb.Helper()
	tb.signIn(request, testbridge.Ada())
	tb.press("link")
	return tb.wantLinked(b, request)
}

// fillIn signs the person in on the provider's login page.
func (tb *tab) fillIn(person upstreamtest.Person) {
	tb.Helper()
	tb.enterCredentials(person)
	tb.press("sign-in")
}

func (tb *tab) enterCredentials(person upstreamtest.Person) {
	tb.Helper()
	tb.enter(`input[name="login"]`, person.Login)
	tb.enter(`input[name="password"]`, person.Password)
}

// wantLoaded waits until the page has loaded.
func (tb *tab) wantLoaded() {
	tb.Helper()
	tb.truth(`document.readyState === "complete" || new Promise(done => addEventListener("load", () => done(true)))`)
}

// wantText checks that the tab shows a page of the bridge with this text.
func (tb *tab) wantText(text string) {
	tb.Helper()
	href, body := tb.href(), evaluate[string](tb, "document.body.innerText")
	if !strings.HasPrefix(href, publicOrigin) || !strings.Contains(body, text) {
		tb.Fatalf("at %s without %q:\n%s\nthe browser reported: %q", href, text, body, tb.reported())
	}
}

// wantAt checks how the address of the tab begins.
func (tb *tab) wantAt(beginning string) {
	tb.Helper()
	if got := tb.href(); !strings.HasPrefix(got, beginning) {
		tb.Errorf("at %s, want %s", got, beginning)
	}
}

var accessTokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{40,128}$`)

// wantLinked checks that the tab is at Alexa's redirect URI, with the state and an active token in the fragment and
// nothing else, and that Alexa's server did not receive the fragment. It returns the token.
func (tb *tab) wantLinked(b *testBridge, request simulator.Request) string {
	tb.Helper()
	href := tb.href()
	token, hasStart := strings.CutPrefix(href, request.RedirectURI+"#state="+request.State+"&access_token=")
	token, hasEnd := strings.CutSuffix(token, "&token_type=Bearer")
	if !hasStart || !hasEnd || !accessTokenForm.MatchString(token) {
		tb.Fatalf("at %s, want a token at %s; the browser reported: %q", href, request.RedirectURI, tb.reported())
	}
	b.KeepSecret(token)
	b.WantActive(token)
	tb.wantArrival(request, token)
	return token
}

// wantArrival checks that the last request to Alexa's server was for the redirect URI, without the fragment.
func (tb *tab) wantArrival(request simulator.Request, secrets ...string) {
	tb.Helper()
	target, err := url.Parse(request.RedirectURI)
	if err != nil {
		tb.Fatal(err)
	}
	arrivals := tb.web.arrivals()
	begins := fmt.Sprintf("GET %s HTTP/2.0\r\nHost: %s\r\n", target.RequestURI(), target.Host)
	if len(arrivals) == 0 || !strings.HasPrefix(arrivals[len(arrivals)-1], begins) {
		tb.Fatalf("Alexa's server received %q, want last %q", arrivals, begins)
	}
	for _, secret := range append(secrets, request.State, "#", "Referer", "Cookie") {
		if strings.Contains(strings.Join(arrivals, ""), secret) {
			tb.Errorf("Alexa's server received %q: %q", secret, arrivals)
		}
	}
}
