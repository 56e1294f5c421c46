package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// By default nginx rejects a response whose header is larger than 4 KiB.
func TestHeaderSize(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	request := b.Request()
	request.State = strings.Repeat("s", 800)
	phone := simulator.NewPhone()
	for range 3 { // with the cookies of the earlier flows
		response, _ := b.Do(withCookies(phone, b.NewRequest(http.MethodGet, request.URL(), nil)))
		phone.Client.Jar.SetCookies(response.Request.URL, response.Cookies())
		var size bytes.Buffer
		response.Header.Write(&size)
		if size.Len() > 3800 {
			t.Errorf("header of %d bytes, want at most 3800", size.Len())
		}
	}
	if n := len(phone.Client.Jar.Cookies(mustParse(b.Origin))); n != 2 {
		t.Errorf("%d flow cookies, want 2", n)
	}
}

func TestFlowCookieAttributes(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	for origin, want := range map[string]struct {
		prefix string
		secure bool
	}{"https://link.example.com": {"__Host-login-", true}, "http://127.0.0.1:9": {"login-", false}} {
		config := b.Config
		config.PublicURL = origin
		recorder := serve(b, config, b.Store, httptest.NewRequest(http.MethodGet, b.Request().URL(), nil))
		cookies := recorder.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies: %d %s", len(cookies), recorder.Code, recorder.Body)
		}
		cookie := cookies[0]
		if !strings.HasPrefix(cookie.Name, want.prefix) || cookie.Secure != want.secure || !cookie.HttpOnly ||
			cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 600 {
			t.Errorf("%s: %s with %+v", origin, cookie.Name, *cookie)
		}
		if strings.Contains(fmt.Sprint(recorder.Header()), "Access-Control") {
			t.Error("the response has CORS headers")
		}
	}
}

func TestPageHeaders(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	consent := b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada())
	home := b.Open(simulator.NewPhone(), b.Origin+"/")
	missing := b.Open(simulator.NewPhone(), b.Origin+"/no/such/page")
	b.WantPage(home, http.StatusOK, "This server links Alexa skills")
	b.WantPage(missing, http.StatusNotFound, "There is nothing here")
	for page, referrer := range map[*simulator.Page]string{
		consent: "same-origin", home: "no-referrer", missing: "no-referrer",
	} {
		policy := page.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") ||
			strings.Contains(policy, "unsafe") || strings.Contains(policy, "form-action") {
			t.Errorf("%s: policy %q", page.URL.Path, policy)
		}
		for name, want := range map[string]string{"Referrer-Policy": referrer, "Cache-Control": "no-store",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
			if got := page.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", page.URL.Path, name, got, want)
			}
		}
		if strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "onclick") {
			t.Errorf("%s: the page has a script", page.URL.Path)
		}
	}
}

// Files in Config.Templates replace embedded ones one by one. The Content-Security-Policy has the hash of the style
// sheet.
func TestCustomTemplates(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Config.Templates = fstest.MapFS{
			"home.html": {Data: []byte(`{{define "title"}}Ours{{end}}{{define "main"}}<h1>Contoso links</h1>{{end}}`)},
			"style.css": {Data: []byte("h1 { color: teal; }")},
		}
	})
	sum := sha256.Sum256([]byte("h1 { color: teal; }"))
	policy := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	home := b.Open(simulator.NewPhone(), b.Origin+"/")
	b.WantPage(home, http.StatusOK, "<style>h1 { color: teal; }</style>")
	b.WantPage(home, http.StatusOK, "<h1>Contoso links</h1>")
	consent := b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada())
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	for _, page := range []*simulator.Page{home, consent} {
		if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, policy) {
			t.Errorf("%s: policy %q", page.URL.Path, got)
		}
	}
}

// Names from the provider are shown as text, without control characters.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	mallory := testbridge.Ada()
	mallory.GivenName = "<script>alert(1)</script>\u202e\x00"
	mallory.FamilyName = strings.Repeat("long ", 100)
	b.Provider.SetPerson(mallory)
	consent := b.SignIn(simulator.NewPhone(), b.Request(), mallory)
	b.WantPage(consent, http.StatusOK, "&lt;script&gt;alert(1)&lt;/script&gt;")
	if strings.Contains(consent.Body, "<script>") || strings.ContainsAny(consent.Body, "\u202e\x00") {
		t.Error("the name is on the page as it came")
	}
}

// GET routes with side effects reject other methods, HEAD among them, and prefetching.
func TestRejectHeadAndPrefetch(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	callback := b.CallbackURL(phone, b.Request())
	for _, address := range []string{b.Request().URL(), callback, b.Origin + "/links?provider=corp"} {
		path := mustParse(address).Path
		for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPut} {
			response, _ := b.Do(withCookies(phone, b.NewRequest(method, address, nil)))
			if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET" ||
				len(response.Cookies()) != 0 {
				t.Errorf("%s %s: status %d, %v", method, path, response.StatusCode, response.Header)
			}
		}
		for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch",
			"X-Moz": "prefetch", "Sec-Fetch-Dest": "image"} {
			request := withCookies(phone, b.NewRequest(http.MethodGet, address, nil))
			request.Header.Set(name, value)
			response, _ := b.Do(request)
			if response.StatusCode != http.StatusForbidden || len(response.Cookies()) != 0 {
				t.Errorf("%s with %s: status %d", path, name, response.StatusCode)
			}
		}
	}
	b.WantExchanges(0)
	b.WantPage(b.Open(phone, callback), http.StatusOK, "Ada Lovelace")
}

// An unclean path gets 404. The redirect of http.ServeMux would repeat the state in its body.
func TestUncleanPaths(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	query := strings.TrimPrefix(b.Request().URL(), b.Origin+"/authorize")
	for _, path := range []string{"//authorize", "/./authorize", "/x/../authorize", "/authorize/", "/callback/corp/",
		"/%61uthorize", "/authorize%2f", "/callback/%63orp"} {
		response, body := b.Do(b.NewRequest(http.MethodGet, path+query, nil))
		if response.StatusCode != http.StatusNotFound || response.Header.Get("Location") != "" ||
			strings.Contains(body, "A2SAAEAE") {
			t.Errorf("%s: status %d, %v", path, response.StatusCode, response.Header)
		}
	}
	if response, _ := b.Do(b.NewRequest(http.MethodPost, "/%6cookup", nil)); response.StatusCode != http.StatusNotFound {
		t.Errorf("/%%6cookup: status %d", response.StatusCode)
	}
}
