package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// A redirect URI must equal a configured one byte by byte (RFC 9700 section 2.1). Any other gets a page, and no
// redirect.
func TestAuthorizeRedirectURI(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) {
		b.Skill.RedirectURIs = append(slices.Clone(b.Skill.RedirectURIs), "https://app.contoso.com/linked?from=alexa")
	})
	const wrongAddress = "This skill asked for a wrong address"
	plain, query := alexa.RedirectURIs(testbridge.VendorID)[0], alexa.RedirectURIs(testbridge.VendorID)[1]
	wrong := map[string]string{
		"missing":                  "",
		"suffix":                   plain + "x",
		"suffix path":              plain + "/evil",
		"suffix slash":             plain + "/",
		"suffix query":             plain + "?x=1",
		"suffix parameter":         query + "&next=https://evil.example",
		"empty query":              plain + "?",
		"prefix":                   strings.TrimSuffix(plain, "A"),
		"host only":                "https://pitangui.amazon.com",
		"other vendor id":          alexa.RedirectURIs("M3BBBBBBBBBBBB")[0],
		"other vendor id in query": alexa.RedirectURIs("M3BBBBBBBBBBBB")[1],
		"two vendor ids":           query + "&vendorId=M3BBBBBBBBBBBB",
		"host in upper case":       strings.Replace(plain, "pitangui", "PITANGUI", 1),
		"path in other case":       strings.Replace(plain, "/api/", "/API/", 1),
		"scheme in upper case":     strings.Replace(plain, "https", "HTTPS", 1),
		"plain http":               strings.Replace(plain, "https", "http", 1),
		"port":                     strings.Replace(plain, ".com/", ".com:443/", 1),
		"other port":               strings.Replace(plain, ".com/", ".com:8443/", 1),
		"userinfo":                 strings.Replace(plain, "https://", "https://user@", 1),
		"host as userinfo":         strings.Replace(plain, ".com/", ".com@evil.example/", 1),
		"sibling host":             strings.Replace(plain, "pitangui", "evil", 1),
		"longer host":              strings.Replace(plain, ".com/", ".com.evil.example/", 1),
		"trailing dot":             strings.Replace(plain, ".com/", ".com./", 1),
		"dot segments":             strings.Replace(plain, "/api/", "/x/../api/", 1),
		"one dot":                  strings.Replace(plain, "/api/", "/./api/", 1),
		"double slash":             strings.Replace(plain, "/api/", "//api/", 1),
		"encoded slash":            strings.Replace(plain, "/skill/", "%2Fskill/", 1),
		"encoded letter":           strings.Replace(plain, "/skill/", "/%73kill/", 1),
		"backslash":                strings.Replace(plain, ".com/", ".com\\", 1),
		"fragment":                 plain + "#x",
		"empty fragment":           plain + "#",
		"space before":             " " + plain,
		"space after":              plain + " ",
		"line break":               plain + "\r\nSet-Cookie: a=b",
		"null byte":                plain + "\x00",
		"look-alike letter":        strings.Replace(plain, "amazon", "аmazon", 1), // the first a is Cyrillic
		"script":                   "javascript:alert(1)",
		"protocol-relative":        strings.TrimPrefix(plain, "https:"),
		"configured without query": "https://app.contoso.com/linked",
		"configured with more":     "https://app.contoso.com/linked?from=alexa&x=1",
		"wildcard":                 "https://pitangui.amazon.com/*",
		"another site":             "https://evil.example/api/skill/link/" + testbridge.VendorID,
	}
	for name, uri := range wrong {
		t.Run(name, func(t *testing.T) {
			request := b.Request()
			request.RedirectURI = uri
			wantErrorPage(b, request.URL(), wrongAddress)
		})
	}
	t.Run("repeated", func(t *testing.T) {
		for _, uri := range []string{"https://evil.example/", b.Request().RedirectURI} {
			wantErrorPage(b, b.Request().URL()+"&redirect_uri="+url.QueryEscape(uri), wrongAddress)
		}
	})
	t.Run("the host is named", func(t *testing.T) {
		request := b.Request()
		request.RedirectURI = strings.Replace(request.RedirectURI, testbridge.VendorID, "M3BBBBBBBBBBBB", 1)
		page := b.Open(simulator.NewPhone(), request.URL())
		b.WantPage(page, http.StatusBadRequest, "layla.amazon.com")
		if strings.Contains(page.Body, "M3BBBBBBBBBBBB") || strings.Contains(page.Body, request.State) {
			t.Error("the page shows more of the request than the host")
		}
	})
	for _, uri := range b.Skill.RedirectURIs {
		request := b.Request()
		request.RedirectURI = uri
		if page := b.Open(simulator.NewPhone(), request.URL()); !strings.HasPrefix(page.URL.String(), b.Provider.Issuer()) {
			t.Errorf("configured redirect URI rejected: %s", uri)
		}
	}
}

// wantErrorPage checks that a URL leads to an error page, without a redirect and without a cookie.
func wantErrorPage(b *testBridge, address, text string) {
	b.Helper()
	response, body := b.Do(b.NewRequest(http.MethodGet, address, nil))
	if response.StatusCode != http.StatusBadRequest || response.Header.Get("Location") != "" ||
		len(response.Cookies()) != 0 || !strings.Contains(body, text) {
		b.Errorf("status %d, header %v:\n%s", response.StatusCode, response.Header, body)
	}
}

func TestAuthorizeErrors(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	const unknown = "This skill is not known here"
	for name, change := range map[string]func(*simulator.Request){
		"unknown client":             func(q *simulator.Request) { q.ClientID = "burger" },
		"no client":                  func(q *simulator.Request) { q.ClientID = "" },
		"client in other case":       func(q *simulator.Request) { q.ClientID = "Pizza" },
		"client with a space":        func(q *simulator.Request) { q.ClientID = "pizza " },
		"script instead of a client": func(q *simulator.Request) { q.ClientID = "<script>alert(1)</script>" },
	} {
		t.Run(name, func(t *testing.T) {
			request := b.Request()
			change(&request)
			wantErrorPage(b, request.URL(), unknown)
		})
	}
	wantErrorPage(b, b.Request().URL()+"&client_id=pizza", unknown)
	wantErrorPage(b, b.Request().URL()+"&x=%zz", unknown)
	wantErrorPage(b, "/authorize", unknown)

	for name, tt := range map[string]struct {
		more, responseType, code string
		inQuery, noState         bool
	}{
		"response type missing":      {responseType: "", code: "invalid_request", inQuery: true},
		"response type unknown":      {responseType: "id_token", code: "unsupported_response_type", inQuery: true},
		"response type of two words": {responseType: "token id_token", code: "unsupported_response_type", inQuery: true},
		"code not granted":           {responseType: "code", code: "unauthorized_client", inQuery: true},
		"state repeated":             {responseType: "token", more: "&state=evil", code: "invalid_request", noState: true},
		"response type repeated": {responseType: "token", more: "&response_type=token", code: "invalid_request",
			inQuery: true},
		"scope repeated": {responseType: "token", more: "&scope=orders", code: "invalid_request"},
		"challenge repeated": {responseType: "token", more: "&code_challenge=a&code_challenge=b",
			code: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			request := b.Request()
			request.ResponseType = tt.responseType
			page := b.Open(simulator.NewPhone(), request.URL()+tt.more)
			if tt.inQuery {
				request.ResponseType = "code" // so that the simulator reads the query
			} else {
				request.ResponseType = "token"
			}
			response := b.AuthorizationResponse(request, page)
			state := request.State
			if tt.noState {
				state = ""
			}
			if response.Get("error") != tt.code || response.Get("state") != state || response.Has("access_token") {
				t.Errorf("response %v", response)
			}
			if tt.inQuery && (response.Get("iss") != b.Origin || response.Get("vendorId") != testbridge.VendorID) {
				t.Errorf("iss %q, vendorId of the redirect URI %q", response.Get("iss"), response.Get("vendorId"))
			}
			if !tt.inQuery && response.Has("iss") {
				t.Error("iss in a fragment")
			}
		})
	}
	// Unknown parameters are ignored, repeated or not.
	page := b.Open(simulator.NewPhone(), b.Request().URL()+"&fbclid=1&fbclid=2&user_locale=de&code_challenge=abc")
	b.WantPage(page, http.StatusOK, "Sign in to Contoso")
}

// The state is returned unchanged, byte by byte.
func TestAuthorizeState(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	states := map[string]string{
		"one character":        "x",
		"737 bytes":            simulator.NewState(),
		"1500 bytes":           strings.Repeat("A2SAAEAE-_", 150),
		"reserved characters":  ":/?#[]@!$&'()*+,;= %25%20+&state=evil#x=\"<>\\^`{|}~",
		"other languages":      "Grüße, 世界 🍕",
		"every byte":           string(every),
		"1500 bytes to escape": strings.Repeat("&", 1500),
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			request := b.Request()
			request.State = state
			b.WantToken(request, b.LinkRequest(request))
			phone := simulator.NewPhone()
			cancelled := b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "cancel")
			b.WantError(request, cancelled, "access_denied")
		})
	}
	t.Run("1501 bytes", func(t *testing.T) {
		request := b.Request()
		request.State = strings.Repeat("x", 1501)
		page := b.Open(simulator.NewPhone(), request.URL())
		response := b.AuthorizationResponse(request, page)
		if response.Get("error") != "invalid_request" || response.Has("state") {
			t.Errorf("authorization response %v, want invalid_request without the state", response)
		}
	})
	t.Run("none", func(t *testing.T) {
		request := b.Request()
		request.State = ""
		_, fragment, _ := strings.Cut(b.LinkRequest(request).URL.String(), "#")
		if !strings.HasPrefix(fragment, "access_token=") {
			t.Errorf("fragment %.20s…, want access_token first", fragment)
		}
	})
}

// Google blocks embedded browsers with a page that has no way back, so the bridge warns before it redirects there.
func TestAuthorizeEmbeddedBrowser(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Config.Providers[0].Issuer = "https://accounts.google.com" })
	const (
		webKit = "AppleWebKit/537.36 (KHTML, like Gecko)"
		iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
	)
	embedded := map[string]bool{
		"Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) " + webKit + " Version/4.0 Chrome/120.0 Mobile Safari/537.36": true,
		iPhone + " Mobile/15E148": true,
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) " + webKit + " Chrome/120.0 Mobile Safari/537.36": false,
		iPhone + " Version/17.0 Mobile/15E148 Safari/604.1":                                         false,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webKit + " Chrome/120.0 Safari/537.36":       false,
		"": false,
	}
	for agent, want := range embedded {
		request := b.NewRequest(http.MethodGet, b.Request().URL(), nil)
		request.Header.Set("User-Agent", agent)
		response, body := b.Do(request)
		got := response.StatusCode == http.StatusForbidden && strings.Contains(body, "Please open this in your browser") &&
			strings.Contains(body, "Continue here anyway")
		if got != want {
			t.Errorf("%s: status %d", agent, response.StatusCode)
		}
	}
}

// Excessive cookies and scopes do not make responses longer.
func TestAuthorizeLimits(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	var cookies strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&cookies, "login-%016d=x; ", i)
	}
	request := b.NewRequest(http.MethodGet, b.Request().URL(), nil)
	request.Header.Set("Cookie", cookies.String())
	response, _ := b.Do(request)
	if n := len(response.Header.Values("Set-Cookie")); response.StatusCode != http.StatusSeeOther || n > 10 {
		t.Errorf("status %d with %d cookies", response.StatusCode, n)
	}
	flooded := b.Request()
	for i := range 5000 {
		flooded.Scopes = append(flooded.Scopes, fmt.Sprintf("s%d", i))
	}
	login := b.Open(simulator.NewPhone(), flooded.URL())
	b.WantPage(login, http.StatusOK, "Sign in to Contoso")
}
