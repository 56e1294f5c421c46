package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/simulator"
)

// nginx gives up on a response whose header does not fit into 4 KiB.
func TestHeadersFitAProxy(t *testing.T) {
	r := newRig(t)
	request := r.request()
	request.State = strings.Repeat("s", 800)
	phone := simulator.NewPhone()
	for range 3 { // with the cookies of flows before
		response, _ := r.do(r.withCookies(phone, r.newRequest(http.MethodGet, strings.TrimPrefix(request.URL(), r.origin), nil)))
		phone.Client.Jar.SetCookies(response.Request.URL, response.Cookies())
		var size bytes.Buffer
		response.Header.Write(&size)
		if size.Len() > 3800 {
			t.Errorf("%d bytes of header", size.Len())
		}
	}
	if n := len(phone.Client.Jar.Cookies(mustParse(r.origin))); n != 2 {
		t.Errorf("%d flows are kept, want 2", n)
	}
}

func (r *rig) withCookies(phone *simulator.Phone, request *http.Request) *http.Request {
	for _, cookie := range phone.Client.Jar.Cookies(request.URL) {
		request.AddCookie(cookie)
	}
	return request
}

func mustParse(address string) *url.URL {
	parsed, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return parsed
}

func TestCookieAttributes(t *testing.T) {
	for origin, want := range map[string]struct {
		prefix string
		secure bool
	}{"https://link.example.com": {"__Host-login-", true}, "http://127.0.0.1:9": {"login-", false}} {
		r := newRig(t)
		config := r.config
		config.PublicURL = origin
		bridge, err := server.New(config, server.Deps{Store: r.store, Log: r.discard(), Now: r.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		bridge.Public.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(r.request().URL(), r.origin), nil))
		cookies := recorder.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies: %d %s", len(cookies), recorder.Code, recorder.Body)
		}
		cookie := cookies[0]
		if !strings.HasPrefix(cookie.Name, want.prefix) || cookie.Secure != want.secure || !cookie.HttpOnly || cookie.Path != "/" ||
			cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 600 {
			t.Errorf("%s: %s with %+v", origin, cookie.Name, *cookie)
		}
		if strings.Contains(fmt.Sprint(recorder.Header()), "Access-Control") {
			t.Error("CORS headers are sent")
		}
	}
}

func TestPageHeaders(t *testing.T) {
	r := newRig(t)
	consent := r.signIn(simulator.NewPhone(), r.request(), ada)
	home := r.open(simulator.NewPhone(), r.origin+"/")
	missing := r.open(simulator.NewPhone(), r.origin+"/no/such/page")
	r.wantPage(home, http.StatusOK, "This server links Alexa skills")
	r.wantPage(missing, http.StatusNotFound, "There is nothing here")
	for page, referrer := range map[*simulator.Page]string{consent: "same-origin", home: "no-referrer", missing: "no-referrer"} {
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
			t.Errorf("%s: there is a script on the page", page.URL.Path)
		}
	}
}

// An operator's files take the place of the embedded ones, one by one, and the policy admits the style that is served.
func TestOwnPages(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.config.Templates = fstest.MapFS{
			"home.html": {Data: []byte(`{{define "title"}}Ours{{end}}{{define "main"}}<h1>Contoso links</h1>{{end}}`)},
			"style.css": {Data: []byte("h1 { color: teal; }")},
		}
	})
	sum := sha256.Sum256([]byte("h1 { color: teal; }"))
	policy := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	home := r.open(simulator.NewPhone(), r.origin+"/")
	r.wantPage(home, http.StatusOK, "<style>h1 { color: teal; }</style>")
	r.wantPage(home, http.StatusOK, "<h1>Contoso links</h1>")
	consent := r.signIn(simulator.NewPhone(), r.request(), ada)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	for _, page := range []*simulator.Page{home, consent} {
		if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, policy) {
			t.Errorf("%s: policy %q", page.URL.Path, got)
		}
	}
}

// What a provider says of a person is shown as text and nothing else.
func TestHostileNames(t *testing.T) {
	r := newRig(t)
	mallory := ada
	mallory.GivenName = "<script>alert(1)</script>\u202e\x00"
	mallory.FamilyName = strings.Repeat("long ", 100)
	r.provider.SetPerson(mallory)
	consent := r.signIn(simulator.NewPhone(), r.request(), mallory)
	r.wantPage(consent, http.StatusOK, "&lt;script&gt;alert(1)&lt;/script&gt;")
	if strings.Contains(consent.Body, "<script>") || strings.ContainsAny(consent.Body, "\u202e\x00") {
		t.Error("a name reached the page as it is")
	}
}
