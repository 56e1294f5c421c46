package server_test

import (
	"context"
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
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream/upstreamtest"
)

// patience is how long one step in a browser may take before it counts as stuck.
const patience = 20 * time.Second

// tab is a tab of a browser.
type tab struct {
	*testing.T
	web *web
	ctx context.Context

	mu         sync.Mutex
	complaints []string
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

// listen notes what the browser complains of: on its console, and as the issues that its developer tools list.
func (b *tab) listen(event any) {
	var complaint string
	switch event := event.(type) {
	case *cdplog.EventEntryAdded:
		complaint = fmt.Sprintf("%s: %s", event.Entry.Source, event.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		complaint = "console: " + string(event.Type)
	case *runtime.EventExceptionThrown:
		complaint = "exception: " + event.ExceptionDetails.Text
	case *audits.EventIssueAdded:
		complaint = "issue: " + string(event.Issue.Code)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, complaint)
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
		b.Fatalf("%v; the browser complained: %q", err, b.complained())
	}
	return result
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
	b.follow(chromedp.Click(button(value)))
}

// follow takes a step that leads to another page, and waits for that page.
func (b *tab) follow(step chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		b.Fatalf("%v; the browser complained: %q", err, b.complained())
	}
}

func button(value string) chromedp.CSS {
	return chromedp.CSS(fmt.Sprintf("button[value=%q]", value))
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
	b.do(
		chromedp.SendKeys(chromedp.CSS(`input[name="login"]`), person.Login),
		chromedp.SendKeys(chromedp.CSS(`input[name="password"]`), person.Password),
	)
	b.press("sign-in")
}

func (b *tab) href() string {
	b.Helper()
	return take(b, chromedp.Evaluate[string]("location.href"))
}

// truth evaluates an expression that is true or false.
func (b *tab) truth(expression string) bool {
	b.Helper()
	return take(b, chromedp.Evaluate[bool](expression))
}

// wantText checks that the tab shows a page of ours with that text.
func (b *tab) wantText(text string) {
	b.Helper()
	href, shown := b.href(), take(b, chromedp.Text(chromedp.CSS("body")))
	if !strings.HasPrefix(href, publicOrigin) || !strings.Contains(shown, text) {
		b.Fatalf("at %s without %q:\n%s\nthe browser complained: %q", href, text, shown, b.complained())
	}
}

var accessTokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{40,128}$`)

// wantLinked checks that the tab is at Alexa's redirect URI, with the state and a token that works behind it and nothing
// else, of which Alexa's server was told nothing.
func (b *tab) wantLinked(r *rig, request simulator.Request) string {
	b.Helper()
	href := b.href()
	token, begins := strings.CutPrefix(href, request.RedirectURI+"#state="+request.State+"&access_token=")
	token, ends := strings.CutSuffix(token, "&token_type=Bearer")
	if !begins || !ends || !accessTokenForm.MatchString(token) {
		b.Fatalf("at %s, want a token at %s; the browser complained: %q", href, request.RedirectURI, b.complained())
	}
	r.secret(token)
	r.wantActive(token)
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
