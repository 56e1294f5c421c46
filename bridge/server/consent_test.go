package server_test

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// A decision is final. The same decision within a minute gets the same response.
func TestConsentIsFinal(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	b.Clock.Hold()
	for _, first := range []string{"link", "cancel", "switch"} {
		phone := simulator.NewPhone()
		consent := b.SignIn(phone, b.Request(), testbridge.Ada())
		arrived := b.Decide(phone, consent, first)
		for _, second := range []string{"link", "cancel", "switch"} {
			if first != second {
				b.WantPage(b.Decide(phone, consent, second), http.StatusBadRequest, answeredAlready)
			}
		}
		if first == "switch" {
			continue
		}
		b.Clock.Advance(59 * time.Second)
		if again := b.Decide(phone, consent, first); !arrived.Arrived || again.URL.String() != arrived.URL.String() {
			t.Errorf("%s: redirected to %s, then to %s", first, arrived.URL, again.URL)
		}
		b.Clock.Advance(2 * time.Second)
		b.WantPage(b.Decide(phone, consent, first), http.StatusBadRequest, answeredAlready)
	}
	b.WantLinks(1)
}

func TestConsentConcurrently(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
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
	b := startBridge(t)
	skill, skills := *b.Skill, b.Config.Skills
	for name, change := range map[string]func(){
		"redirect URI removed": func() { b.Skill.RedirectURIs = b.Skill.RedirectURIs[:1] },
		"skill removed":        func() { b.Config.Skills = skills[1:] },
		"no longer allowed":    func() { b.Skill.Allow.Groups = []string{"nobody"} },
	} {
		t.Run(name, func(t *testing.T) {
			b.Within(t)
			phone, request := simulator.NewPhone(), b.Request()
			consent := b.SignIn(phone, request, testbridge.Ada())
			change()
			b.Restart()
			page := b.Decide(phone, consent, "link")
			if b.Skill.Allow.Groups != nil {
				b.WantPage(page, http.StatusForbidden, "This account may not link")
				b.WantError(request, b.Decide(phone, page, "cancel"), "access_denied")
			} else {
				b.WantPage(page, http.StatusBadRequest, "This skill is not known here")
			}
			*b.Skill, b.Config.Skills = skill, skills
			b.Restart()
		})
	}
	b.WantLinks(0)
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
		{"no token", 400, withField("token")},
		{"another flow's token", 400, withField("token", otherForm.Get("token"))},
		{"another flow's id", 400, withField("flow", otherForm.Get("flow"))},
		{"a repeated token", 400, withField("token", rightForm(consent).Form.Get("token"), "x")},
		{"a repeated decision", 400, withField("decision", "cancel", "link")},
		{"no decision", 400, withField("decision")},
		{"another decision", 400, withField("decision", "LINK")},
		{"no flow", 400, withField("flow")},
		{"all in the URL", 400, func(request *http.Request) *http.Request {
			return b.NewRequest(http.MethodPost, "/consent?"+rightForm(consent).Form.Encode(), url.Values{"x": {"y"}})
		}},
		{"JSON", 415, withHeader("Content-Type", "application/json")},
		{"text", 415, withHeader("Content-Type", "text/plain")},
		{"too long", 413, withField("x", strings.Repeat("x", 9000))},
		{"broken escapes", 400, func(request *http.Request) *http.Request {
			return withBody(request, "flow=%zz")
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

// withField replaces one field of the form of a request.
func withField(name string, values ...string) func(*http.Request) *http.Request {
	return func(request *http.Request) *http.Request {
		fields := maps.Clone(request.Form)
		fields[name] = values
		return withBody(request, fields.Encode())
	}
}

func withBody(request *http.Request, body string) *http.Request {
	request.Body, request.GetBody = io.NopCloser(strings.NewReader(body)), nil
	request.ContentLength = int64(len(body))
	return request
}
