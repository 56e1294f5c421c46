package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// The same decision within a minute gets the same response.
func TestConsentDoubleTap(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Clock.Hold()
	for _, decision := range []string{"link", "cancel"} {
		phone := simulator.NewPhone()
		consent := b.SignIn(phone, b.Request(), testbridge.Ada())
		first := b.Decide(phone, consent, decision)
		b.Clock.Advance(59 * time.Second)
		second := b.Decide(phone, consent, decision)
		if !first.Arrived || first.URL.String() != second.URL.String() {
			t.Errorf("%s: redirected to %s, then to %s", decision, first.URL, second.URL)
		}
		b.Clock.Advance(2 * time.Second)
		b.WantPage(b.Decide(phone, consent, decision), http.StatusBadRequest, "You have answered this already")
	}
	b.WantLinks(1)
}

func TestConsentIsFinal(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	for _, first := range []string{"link", "cancel", "switch"} {
		for _, second := range []string{"link", "cancel", "switch"} {
			if first == second {
				continue
			}
			phone := simulator.NewPhone()
			consent := b.SignIn(phone, b.Request(), testbridge.Ada())
			b.Decide(phone, consent, first)
			b.WantPage(b.Decide(phone, consent, second), http.StatusBadRequest, "You have answered this already")
		}
	}
	b.WantLinks(2) // of the two flows that began with link
}

func TestConsentConcurrently(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	request := b.Request()
	consent := b.SignIn(phone, request, testbridge.Ada())
	arrived := make([]*simulator.Page, 16)
	var group sync.WaitGroup
	for i := range arrived {
		group.Go(func() { arrived[i], _ = phone.Submit(consent, url.Values{"decision": {"link"}}) })
	}
	group.Wait()
	for _, page := range arrived {
		if page == nil || page.URL.String() != arrived[0].URL.String() {
			t.Fatalf("redirected to %v, want %v", page, arrived[0])
		}
	}
	b.WantActive(b.WantToken(request, arrived[0]))
	b.WantLinks(1)
}

// A consent page that was opened before the configuration changed is judged by the new configuration.
func TestConsentAfterConfigurationChange(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*testBridge){
		"redirect URI removed": func(b *testBridge) { b.Skill.RedirectURIs = b.Skill.RedirectURIs[:1] },
		"skill removed":        func(b *testBridge) { b.Config.Skills = b.Config.Skills[1:] },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			b := startBridge(t)
			phone := simulator.NewPhone()
			consent := b.SignIn(phone, b.Request(), testbridge.Ada())
			change(b)
			b.Restart()
			b.WantPage(b.Decide(phone, consent, "link"), http.StatusBadRequest, "This skill is not known here")
			b.WantLinks(0)
		})
	}
	t.Run("no longer allowed", func(t *testing.T) {
		b := startBridge(t)
		phone := simulator.NewPhone()
		request := b.Request()
		consent := b.SignIn(phone, request, testbridge.Ada())
		b.Skill.Allow.Groups = []string{"nobody"}
		b.Restart()
		b.WantError(request, b.Decide(phone, consent, "link"), "access_denied")
		b.WantLinks(0)
	})
}

func TestConsentForgeries(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	consent := b.SignIn(phone, b.Request(), testbridge.Ada())
	other := simulator.NewPhone()
	otherConsent := b.SignIn(other, b.Request(), testbridge.Ada())
	rightForm := func(p *simulator.Page) *http.Request {
		request, err := p.FormRequest(url.Values{"decision": {"link"}})
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	otherForm := rightForm(otherConsent).Form
	tests := []struct {
		name   string
		status int
		change func(*http.Request) *http.Request
	}{
		{"a sibling subdomain", 403, withHeader("Sec-Fetch-Site", "same-site")},
		{"another site", 403, withHeader("Sec-Fetch-Site", "cross-site")},
		{"typed URL", 403, withHeader("Sec-Fetch-Site", "none")},
		{"a sibling's origin", 403, withHeader("Origin", "https://evil.contoso.com")},
		{"our origin with another scheme", 403, withHeader("Origin", strings.Replace(b.Origin, "http", "https", 1))},
		{"our origin on another port", 403, withHeader("Origin", "http://127.0.0.1:1")},
		{"no token", 400, withField(rightForm(consent), "token")},
		{"another flow's token", 400, withField(rightForm(consent), "token", otherForm.Get("token"))},
		{"another flow's id", 400, withField(rightForm(consent), "flow", otherForm.Get("flow"))},
		{"a repeated token", 400, withField(rightForm(consent), "token", rightForm(consent).Form.Get("token"), "x")},
		{"a repeated decision", 400, withField(rightForm(consent), "decision", "cancel", "link")},
		{"no decision", 400, withField(rightForm(consent), "decision")},
		{"another decision", 400, withField(rightForm(consent), "decision", "LINK")},
		{"no flow", 400, withField(rightForm(consent), "flow")},
		{"all in the URL", 400, func(request *http.Request) *http.Request {
			return b.NewRequest(http.MethodPost, "/consent?"+rightForm(consent).Form.Encode(), url.Values{"x": {"y"}})
		}},
		{"JSON", 415, func(request *http.Request) *http.Request {
			request.Header.Set("Content-Type", "application/json")
			return request
		}},
		{"text", 415, withHeader("Content-Type", "text/plain")},
		{"too long", 413, withField(rightForm(consent), "x", strings.Repeat("x", 9000))},
		{"broken escapes", 400, func(*http.Request) *http.Request {
			request := b.NewRequest(http.MethodPost, "/consent", url.Values{})
			request.Body = http.NoBody
			broken, _ := http.NewRequest(http.MethodPost, request.URL.String(), strings.NewReader("flow=%zz"))
			broken.Header = request.Header
			return broken
		}},
		{"GET", 405, func(*http.Request) *http.Request {
			return b.NewRequest(http.MethodGet, "/consent?"+rightForm(consent).Form.Encode(), nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			response, body := b.Do(withCookies(phone, tt.change(rightForm(consent))))
			if response.StatusCode != tt.status || response.Header.Get("Location") != "" {
				t.Errorf("status %d, want %d; header %v\n%s", response.StatusCode, tt.status, response.Header, body)
			}
		})
	}
	b.WantLinks(0)

	// The query of the URL is ignored, also if the form is right.
	inQuery := withCookies(phone, rightForm(consent))
	inQuery.URL.RawQuery = "decision=cancel&token=x&flow=y"
	inQuery.Header.Set("Origin", "null")
	response, _ := b.Do(inQuery)
	if !strings.Contains(response.Header.Get("Location"), "#state=") {
		t.Errorf("status %d, header %v", response.StatusCode, response.Header)
	}
	b.WantLinks(1)
}

func withHeader(name, value string) func(*http.Request) *http.Request {
	return func(request *http.Request) *http.Request {
		request.Header.Set(name, value)
		return request
	}
}

// withField replaces one field of a form.
func withField(from *http.Request, name string, values ...string) func(*http.Request) *http.Request {
	return func(request *http.Request) *http.Request {
		fields := url.Values{}
		for field, value := range from.Form {
			fields[field] = value
		}
		fields[name] = values
		changed, err := http.NewRequest(http.MethodPost, request.URL.String(), strings.NewReader(fields.Encode()))
		if err != nil {
			panic(err)
		}
		changed.Header = request.Header
		return changed
	}
}
