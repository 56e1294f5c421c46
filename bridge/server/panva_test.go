//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa/simulator"
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
	if !got.Active || got.Subject != testbridge.Ada().Subject || got.UpstreamISS != p.issuer ||
		got.Claims["email"] != testbridge.Ada().Email {
		t.Errorf("lookup response %+v", got)
	}
	if groups, want := got.Claims["groups"], []any{"alexa-users", "engineering"}; !slices.Equal(groups.([]any), want) {
		t.Errorf("groups %v, want %v", groups, want)
	}
	p.wantRequests("/token", 1)
	p.wantRequests("/me", 0) // all claims are in the ID token
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
			page := p.Open(phone, changed.String())
			p.WantPage(page, http.StatusInternalServerError, "is not set up correctly")
			again := p.Open(phone, response.String())
			p.WantPage(again, http.StatusInternalServerError, "is not set up correctly") // no other try
			p.WantError(request, p.Decide(phone, page, "cancel"), "server_error")
		})
	}
	p.WantLinks(0)
	p.wantRequests("/token", 0)
	p.WantMetric(fmt.Sprintf(`bridge_links_refused_total{client_id="pizza",reason="provider_setup"} %d`, len(changes)))
}

func TestPanvaCancel(t *testing.T) {
	t.Parallel()
	p := startPanva(t)
	cancel := url.Values{"action": {"cancel"}}
	phone, request := simulator.NewPhone(), p.Request()
	response := p.authorizationResponse(phone, p.Open(phone, request.URL()), cancel)
	if response.Query().Get("error") != "access_denied" || response.Query().Get("iss") != p.issuer {
		t.Fatalf("authorization response of the provider: %s", response)
	}
	p.WantError(request, p.Open(phone, response.String()), "access_denied")

	person := testbridge.Ada()
	person.Password = "wrong"
	phone, request = simulator.NewPhone(), p.Request()
	p.WantError(request, p.Submit(phone, p.SignIn(phone, request, person), cancel), "access_denied")
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
			p.WantActive(p.LinkAgain(phone, request, down))
			p.WantLinks(1)
			if restart {
				p.wantRequests("/.well-known/openid-configuration", 1)
			}
		})
	}
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
