//go:build strict

package server_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/internal/testmachine"
)

const (
	publicHost   = "link.contoso.example"
	publicOrigin = "https://" + publicHost
)

// web plays the hosts that a browser can reach, with TLS: the bridge at publicHost, and Alexa's hosts.
type web struct {
	*httptest.Server

	mu      sync.Mutex
	bridge  http.Handler
	atAlexa []string // whole requests to Alexa's hosts
}

func startWeb(t *testing.T) *web {
	w := &web{}
	w.Server = httptest.NewUnstartedServer(w)
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.EnableHTTP2 = true
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

// serve sets the handler of publicHost, and forgets the requests to Alexa's hosts.
func (w *web) serve(bridge http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bridge, w.atAlexa = bridge, nil
}

func (w *web) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	w.mu.Lock()
	bridge := w.bridge
	w.mu.Unlock()
	switch {
	case request.Host == publicHost:
		bridge.ServeHTTP(response, request)
	case request.URL.Path != "/favicon.ico":
		w.arrive(request)
		response.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(response, `<!doctype html><html lang="en"><title>Alexa</title><h1>Alexa</h1>`)
	}
}

func (w *web) arrive(request *http.Request) {
	dump, _ := httputil.DumpRequest(request, true)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.atAlexa = append(w.atAlexa, string(dump))
}

// arrivals returns the requests to Alexa's hosts.
func (w *web) arrivals() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.atAlexa)
}

// browser is one Chromium process.
type browser struct {
	web *web
	ctx context.Context
}

// startBrowser starts Chromium with further options. It resolves no hosts but those of w and of this machine.
func startBrowser(t *testing.T, w *web, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := chromium()
	testmachine.Need(t, err == nil, "chromium is not installed")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", w.resolverRules()),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(allocator,
		chromedp.WithErrorf(func(string, ...any) {})) // a failure shows in the next step
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // without a timeout, which would end the browser
		t.Fatal(err)
	}
	return &browser{w, ctx}
}

func chromium() (string, error) {
	if path, err := exec.LookPath("chromium"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/bin/chromium")
}

func (w *web) resolverRules() string {
	var rules []string
	for _, host := range append(alexa.Hosts(), publicHost) {
		rules = append(rules, "MAP "+host+" "+w.Listener.Addr().String())
	}
	return strings.Join(append(rules, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"), ",")
}

// withPreferences is the option for a new profile with these preferences.
func withPreferences(t *testing.T, preferences string) chromedp.ExecAllocatorOption {
	t.Helper()
	profile, err := os.MkdirTemp("", "browser-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) }) // not t.TempDir, which fails if the browser still writes
	folder := filepath.Join(profile, "Default")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "Preferences"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	return chromedp.UserDataDir(profile)
}

// bridge starts a bridge at publicHost, whose provider is on another site, as in production.
func (browser *browser) bridge(t *testing.T, changes ...func(*testBridge)) *testBridge {
	t.Helper()
	b := startBridge(t, append(changes, func(b *testBridge) { b.Config.PublicURL = publicOrigin })...)
	browser.web.serve(b.Server.Public)
	return b
}
