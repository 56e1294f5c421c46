//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

func TestPanvaLink(t *testing.T) {
	t.Parallel()
	p := startPanva(t)
	phone, request := simulator.NewPhone(), p.Request()
	consent := p.SignIn(phone, request, testbridge.Ada())
	p.WantPage(consent, http.StatusOK, "Ada Lovelace")
	token := p.WantToken(request, p.Decide(phone, consent, "link"))

	got := p.Lookup(token)
	if !got.Active || got.Subject != testbridge.Ada().Subject || got.UpstreamISS != p.issuer || got.Claims["email"] != testbridge.Ada().Email {
		t.Errorf("lookup response %+v", got)
	}
	if groups, want := got.Claims["groups"], []any{"alexa-users", "engineering"}; !slices.Equal(groups.([]any), want) {
		t.Errorf("groups %v, want %v", groups, want)
	}
	p.wantRequests("/token", 1)
	p.wantRequests("/me", 0) // all claims are in the ID token
}

func TestPanvaAllowedGroups(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		allowed string
		linked  bool
	}{
		"in the group":       {"engineering", true},
		"not in the group":   {"inventors", false},
		"in a similar group": {"Engineering", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPanva(t, func(b *testBridge) { b.Skill.Allow.Groups = []string{test.allowed} })
			phone, request := simulator.NewPhone(), p.Request()
			page := p.SignIn(phone, request, testbridge.Ada())
			if test.linked {
				p.WantToken(request, p.Decide(phone, page, "link"))
				p.WantLinks(1)
				return
			}
			p.WantError(request, page, "access_denied")
			p.WantLinks(0)
		})
	}
}

// The provider supports iss in authorization responses, so only those with its own iss are accepted (RFC 9207 section
// 2.4).
func TestPanvaIssuerIdentification(t *testing.T) {
	t.Parallel()
	p := startPanva(t)
	changes := map[string]func(query url.Values){
		"stripped":      func(query url.Values) { query.Del("iss") },
		"empty":         func(query url.Values) { query.Set("iss", "") },
		"another":       func(query url.Values) { query.Set("iss", "https://login.fabrikam.com") },
		"with a slash":  func(query url.Values) { query.Set("iss", p.issuer+"/") },
		"in capitals":   func(query url.Values) { query.Set("iss", strings.ToUpper(p.issuer)) },
		"a longer host": func(query url.Values) { query.Set("iss", p.issuer+".fabrikam.com") },
		"the bridge's":  func(query url.Values) { query.Set("iss", p.Config.PublicURL) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			p.Within(t)
			phone, request := simulator.NewPhone(), p.Request()
			response := p.authorizationResponse(phone, p.Open(phone, request.URL()), loginForm(testbridge.Ada()))
			if got := response.Query().Get("iss"); got != p.issuer {
				t.Fatalf("the provider sent iss %q", got)
			}
			changed, query := *response, response.Query()
			change(query)
			changed.RawQuery = query.Encode()
			p.WantError(request, p.Open(phone, changed.String()), "access_denied")
			p.WantPage(p.Open(phone, response.String()), http.StatusBadRequest, startAgain) // the flow has ended
		})
	}
	p.WantLinks(0)
	p.wantRequests("/token", 0)
	p.WantMetric(fmt.Sprintf(`bridge_links_refused_total{client_id="pizza",reason="provider_refused"} %d`, len(changes)))
}

func TestPanvaCancel(t *testing.T) {
	t.Parallel()
	p := startPanva(t)
	cancel := url.Values{"action": {"cancel"}}
	t.Run("at the provider", func(t *testing.T) {
		p.Within(t)
		phone, request := simulator.NewPhone(), p.Request()
		response := p.authorizationResponse(phone, p.Open(phone, request.URL()), cancel)
		if response.Query().Get("error") != "access_denied" || response.Query().Get("iss") != p.issuer {
			t.Fatalf("authorization response of the provider: %s", response)
		}
		p.WantError(request, p.Open(phone, response.String()), "access_denied")
	})
	t.Run("after a wrong password", func(t *testing.T) {
		p.Within(t)
		phone, request := simulator.NewPhone(), p.Request()
		person := testbridge.Ada()
		person.Password = "wrong"
		p.WantError(request, p.Submit(phone, p.SignIn(phone, request, person), cancel), "access_denied")
	})
	t.Run("on the consent page", func(t *testing.T) {
		p.Within(t)
		phone, request := simulator.NewPhone(), p.Request()
		p.WantError(request, p.Decide(phone, p.SignIn(phone, request, testbridge.Ada()), "cancel"), "access_denied")
	})
	p.WantLinks(0)
}

// This test is not parallel, because no other may take the port while the provider is down.
func TestPanvaDownAtCallback(t *testing.T) {
	for name, restart := range map[string]bool{"provider discovered": false, "bridge restarted": true} {
		t.Run(name, func(t *testing.T) {
			p := startPanva(t)
			phone, request := simulator.NewPhone(), p.Request()
			response := p.authorizationResponse(phone, p.Open(phone, request.URL()), loginForm(testbridge.Ada()))

			p.kill()
			if restart {
				p.Restart()
			}
			down := p.Open(phone, response.String())
			p.WantPage(down, http.StatusServiceUnavailable, "sign‑in does not answer")
			if restart { // discovery fails, so nobody is redirected to the provider
				down = p.Decide(phone, down, "switch")
				p.WantPage(down, http.StatusServiceUnavailable, "sign‑in does not answer")
			}

			p.start()
			p.Clock.Advance(retryAfter)
			consent := p.SubmitLogin(phone, p.Decide(phone, down, "switch"), testbridge.Ada())
			p.WantPage(consent, http.StatusOK, "Ada Lovelace")
			p.WantActive(p.WantToken(request, p.Decide(phone, consent, "link")))
			p.WantLinks(1)
			if restart {
				p.wantRequests("/.well-known/openid-configuration", 1)
			}
		})
	}
}

func TestPanvaAnotherAccount(t *testing.T) {
	t.Parallel()
	p := startPanva(t)
	phone, request := simulator.NewPhone(), p.Request()
	p.SignIn(phone, request, testbridge.Ada())
	p.Clock.Advance(time.Second) // so that the first flow of this browser is the oldest, which is dropped
	consent := p.Open(phone, request.URL())
	p.WantPage(consent, http.StatusOK, "Ada Lovelace") // without a login page: the provider has a session

	login := p.Decide(phone, consent, "switch")
	endSession := p.SubmitLogin(phone, login, testbridge.Hedy())
	other := p.Submit(phone, endSession, nil) // a page that ends Ada's session, which a script submits
	p.WantPage(other, http.StatusOK, "Hedy Lamarr")
	if strings.Contains(other.Body, "Ada") {
		t.Error("Ada is on the consent page for Hedy")
	}
	p.WantPage(p.Decide(phone, consent, "link"), http.StatusBadRequest, "answered this already")
	token := p.WantToken(request, p.Decide(phone, other, "link"))
	if got := p.Lookup(token).Subject; got != testbridge.Hedy().Subject {
		t.Errorf("linked %s, want Hedy", got)
	}
	p.WantLinks(1)
}

// Without a consent page a session at the provider is not enough: the person must sign in anew.
func TestPanvaWithoutConsentPage(t *testing.T) {
	t.Parallel()
	p := startPanva(t, func(b *testBridge) { b.Skill.Consent = false })
	phone := simulator.NewPhone()
	for range 2 {
		request := p.Request()
		p.WantToken(request, p.SignIn(phone, request, testbridge.Ada()))
	}
	p.WantLinks(2)
}
