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
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// patience is how long one step in a browser may take before it counts as stuck.
const patience = 20 * time.Second

// tab is a tab of a browser.
type tab struct {
	*testing.T
	web *web
	ctx context.Context

	mu         sync.Mutex
	complaints []string // about the page that it shows
}

// tab opens a tab that shares its cookies with no other.
func (b *browser) tab(t *testing.T) *tab {
	t.Helper()
	return newTab(t, b.web, b.ctx, chromedp.WithNewBrowserContext())
}

// another opens a tab that shares its cookies with this one.
func (b *tab) another() *tab {
	b.Helper()
	return newTab(b.T, b.web, b.ctx)
}

func newTab(t *testing.T, w *web, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{T: t, web: w}
	ctx, stop := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.listen))...)
	t.Cleanup(stop)
	b.ctx = ctx
	if err := chromedp.Do(ctx, command(audits.Enable, cdp.Empty{})); err != nil { // no time limit, as in startBrowser
		t.Fatal(err)
	}
	return b
}

// listen notes what the browser complains of, on its console and as the issues that its developer tools list.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch event := event.(type) {
	case *page.EventFrameNavigated:
		b.complaints = nil
	case *cdplog.EventEntryAdded:
		b.complaints = append(b.complaints, string(event.Entry.Source)+": "+event.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, "console: "+string(event.Type))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, "exception: "+event.ExceptionDetails.Text)
	case *audits.EventIssueAdded:
		b.complaints = append(b.complaints, "issue: "+string(event.Issue.Code))
	}
}

func (b *tab) complained() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}

// command is a step that sends one command of the DevTools protocol.
func command[P any](command cdp.Command[P, cdp.Empty], parameters P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, parameters)
		return err
	})
}

// take runs an action in the tab and returns its result.
func take[T any](b *tab, action chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		b.stuck(err)
	}
	return result
}

// stuck ends the test with what the browser says of it, which comes a little after the error.
func (b *tab) stuck(cause error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href"))
	if err != nil {
		at = err.Error()
	}
	b.Fatalf("%v, at %s; the browser complained: %q", cause, at, b.complained())
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	take(b, chromedp.Steps(steps...))
}

func (b *tab) open(address string) *network.Response {
	b.Helper()
	return take(b, chromedp.NavigateResponse(address))
}

// press presses a button and waits for the page that it leads to.
func (b *tab) press(value string) {
	b.Helper()
	b.follow(b.clickOn(button(value)))
}

// follow takes a step that leads to another page, and waits for that page.
func (b *tab) follow(step chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		b.stuck(err)
	}
}

// button is the selector of the button with that value.
func button(value string) string { return fmt.Sprintf("button[value=%q]", value) }

// clickOn is a click at where an element is on the screen.
func (b *tab) clickOn(selector string, options ...chromedp.MouseOption) chromedp.Action[chromedp.Void] {
	b.Helper()
	at := ask[[]float64](b, fmt.Sprintf(`(() => {
		const element = document.querySelector(%q);
		element.scrollIntoView({block: "center"});
		const {x, y, width, height} = element.getBoundingClientRect();
		return [x + width / 2, y + height / 2];
	})()`, selector))
	return chromedp.MouseClickXY(at[0], at[1], options...)
}

// enter types a text into a field.
func (b *tab) enter(selector, text string) {
	b.Helper()
	if !b.truth(fmt.Sprintf(`(e => { e.focus(); return document.activeElement === e; })(document.querySelector(%q))`, selector)) {
		b.Fatalf("%s does not take the focus", selector)
	}
	b.do(command(input.InsertText, input.InsertTextParams{Text: text}))
}

// ask evaluates an expression in the page. It does so by the bare command: chromedp's own actions keep a copy of the
// document, which is late now and then, and which they lack for a page that the Back button brought back.
func ask[T any](b *tab, expression string) T {
	b.Helper()
	return take(b, func(ctx context.Context, t *chromedp.Target) (T, error) {
		var value T
		answer, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{
			Expression: expression, ReturnByValue: new(true), AwaitPromise: new(true),
		})
		if err != nil {
			return value, err
		}
		if answer.ExceptionDetails != nil {
			return value, fmt.Errorf("%s: %+v", answer.ExceptionDetails.Text, answer.ExceptionDetails.Exception)
		}
		return value, json.Unmarshal(answer.Result.Value, &value)
	})
}

// truth evaluates an expression that is true or false.
func (b *tab) truth(expression string) bool {
	b.Helper()
	return ask[bool](b, expression)
}

func (b *tab) href() string {
	b.Helper()
	return ask[string](b, "location.href")
}

// signIn goes from Alexa's request through the provider's login page.
func (b *tab) signIn(request simulator.Request, person upstreamtest.Person) {
	b.Helper()
	b.open(request.URL())
	b.fillIn(person)
}

// fillIn signs the person in on the provider's login page.
func (b *tab) fillIn(person upstreamtest.Person) {
	b.Helper()
	b.credentials(person)
	b.press("sign-in")
}

func (b *tab) credentials(person upstreamtest.Person) {
	b.Helper()
	b.enter(`input[name="login"]`, person.Login)
	b.enter(`input[name="password"]`, person.Password)
}

// wantLoaded waits until the page is all there.
func (b *tab) wantLoaded() {
	b.Helper()
	b.truth(`document.readyState === "complete" || new Promise(done => addEventListener("load", () => done(true)))`)
}

// wantText checks that the tab shows a page of ours with that text.
func (b *tab) wantText(text string) {
	b.Helper()
	href, shown := b.href(), ask[string](b, "document.body.innerText")
	if !strings.HasPrefix(href, publicOrigin) || !strings.Contains(shown, text) {
		b.Fatalf("at %s without %q:\n%s\nthe browser complained: %q", href, text, shown, b.complained())
	}
}

var accessTokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{40,128}$`)

// wantLinked checks that the tab is at Alexa's redirect URI, with the state and a token that works behind it and nothing
// else, of which Alexa's server was told nothing.
func (b *tab) wantLinked(b *testbridge.Bridge, request simulator.Request) string {
	b.Helper()
	href := b.href()
	token, begins := strings.CutPrefix(href, request.RedirectURI+"#state="+request.State+"&access_token=")
	token, ends := strings.CutSuffix(token, "&token_type=Bearer")
	if !begins || !ends || !accessTokenForm.MatchString(token) {
		b.Fatalf("at %s, want a token at %s; the browser complained: %q", href, request.RedirectURI, b.complained())
	}
	b.KeepSecret(token)
	b.WantActive(token)
	b.wantArrival(request, token)
	return token
}

// wantArrival checks what Alexa's server was sent last: its redirect URI, and not what stands behind the #.
func (b *tab) wantArrival(request simulator.Request, secrets ...string) {
	b.Helper()
	target, err := url.Parse(request.RedirectURI)
	if err != nil {
		b.Fatal(err)
	}
	arrivals := b.web.arrivals()
	begins := fmt.Sprintf("GET %s HTTP/2.0\r\nHost: %s\r\n", target.RequestURI(), target.Host)
	if len(arrivals) == 0 || !strings.HasPrefix(arrivals[len(arrivals)-1], begins) {
		b.Fatalf("Alexa's server was sent %q, want at last %q", arrivals, begins)
	}
	for _, secret := range append(secrets, request.State, "#", "Referer", "Cookie") {
		if strings.Contains(strings.Join(arrivals, ""), secret) {
			b.Errorf("Alexa's server was sent %q: %q", secret, arrivals)
		}
	}
}
