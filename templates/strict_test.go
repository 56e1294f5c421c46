//go:build strict

package templates_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"alexa-oidc-bridge/internal/testmachine"

	"github.com/chromedp/chromedp"
)

// chromium returns the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	testmachine.Need(t, err == nil, "chromium is not on the PATH; install it")
	return path
}

// newBrowser starts a browser.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stopAllocator)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // without a timeout, which would end the browser
		t.Fatal(err)
	}
	return ctx
}

// servePages serves one page of each kind below its name, all with status 200: browsers and audits treat a page with
// an error status differently. It returns the origin.
func servePages(t *testing.T) string {
	t.Helper()
	all := pageWriters(newPages(t, contoso()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		write, found := all[strings.TrimPrefix(r.URL.Path, "/")]
		if !found {
			http.NotFound(w, r)
			return
		}
		if err := write(alwaysOK{w}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// alwaysOK replaces every status by 200.
type alwaysOK struct{ http.ResponseWriter }

func (w alwaysOK) WriteHeader(int) { w.ResponseWriter.WriteHeader(http.StatusOK) }

// pageNames returns the names of the pages of [servePages].
func pageNames() []string {
	return []string{"consent", "refused", "setup-fault", "error", "home", "links", "links-none", "links-sign-in"}
}
