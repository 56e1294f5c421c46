//go:build strict

package server_test

const (
	publicHost   = "link.contoso.example"
	publicOrigin = "https://" + publicHost
)

// web is the internet as the browsers of these tests see it: behind TLS the bridge at publicHost, and Alexa's hosts.
type web struct {
	*httptest.Server

	mu      sync.Mutex
	bridge  http.Handler
	atAlexa []string // the requests that Alexa's hosts got, each whole
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

// serve puts a handler at publicHost, and forgets what came before.
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

// arrivals are the requests that Alexa's hosts got.
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

// startBrowser starts Chromium with the options given besides its own. Nothing but this machine exists for it, and
// Alexa's hosts and the bridge's are on it.
func startBrowser(t *testing.T, w *web, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := chromium()
	need(t, err == nil, "there is no chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", w.resolverRules()),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // what fails shows in a step
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // without a time limit, which would be the whole browser's
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

// withPreferences gives a browser a new profile with these preferences.
func withPreferences(t *testing.T, preferences string) chromedp.ExecAllocatorOption {
	t.Helper()
	profile, err := os.MkdirTemp("", "browser-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) }) // not t.TempDir, which fails on what a dying browser still writes
	folder := filepath.Join(profile, "Default")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "Preferences"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	return chromedp.UserDataDir(profile)
}

// newRig is a rig at publicHost, whose provider is on another site, as in production.
func (b *browser) testbridge.Start(t *testing.T, changes ...func(*testbridge.Bridge)) *testbridge.Bridge {
	t.Helper()
	public := func(b *testbridge.Bridge) {
		b.Config.PublicURL = publicOrigin
		b.Provider.Close() // it knows the rig at its address on this machine only
		b.Provider = startPublicProvider(t)
		b.Config.Providers[0].Issuer = b.Provider.Issuer()
	}
	b := testbridge.Start(t, append([]func(*testbridge.Bridge){public}, changes...)...)
	b.KeepSecret(testbridge.Hedy().Password)
	b.web.serve(b.Server.Public)
	return r
}

func startPublicProvider(t *testing.T) *upstreamtest.Provider {
	t.Helper()
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name: "Contoso",
		Clients: []upstreamtest.Client{
			{ID: "alexa-bridge", Secret: "upstream-secret", RedirectURI: server.CallbackURI(publicOrigin, "corp")},
		},
		People: []upstreamtest.Person{testbridge.Ada(), testbridge.Hedy()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

// publicRequest is what Alexa asks of a rig at publicHost.
func publicRequest(b *testbridge.Bridge) simulator.Request {
	request := b.Request()
	request.AuthorizationURI = publicOrigin + "/authorize"
	return request
}
