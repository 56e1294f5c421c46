//go:build strict

package templates_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// need ends the test if the machine does not meet a requirement. The test is skipped, or fails with
// BRIDGE_TEST_STRICT=1.
func need(t *testing.T, met bool, reason string) {
	t.Helper()
	switch {
	case met:
	case os.Getenv("BRIDGE_TEST_STRICT") == "1":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// chromium returns the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	need(t, err == nil, "chromium is not on the PATH; install it")
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
func pageNames() []string { return []string{"consent", "refused", "setup-fault", "error", "home"} }
