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

func TestPanvaLinkAndLookUp(t *testing.T) {
	r, p := newPanvaRig(t)
	phone := simulator.NewPhone()
	request := b.Request()

	consent := p.fillIn(r, phone, b.Open(phone, request.URL()), testbridge.Ada())
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	token := b.WantToken(request, b.Decide(phone, consent, "link"))

	response := b.Lookup(token)
	if !response.Active || response.Subject != testbridge.Ada().Subject || response.UpstreamISS != p.issuer {
		t.Errorf("looked up %+v", response)
	}
	if got, want := response.Claims["groups"], []any{"alexa-users", "engineering"}; !slices.Equal(got.([]any), want) {
		t.Errorf("groups %v, want %v", got, want)
	}
	if got := response.Claims["email"]; got != testbridge.Ada().Email {
		t.Errorf("email %v, want %s", got, testbridge.Ada().Email)
	}
	p.wantAsked("/token", 1)
	p.wantAsked("/me", 0) // all that is needed is in the ID token
}

func TestPanvaAllowedGroups(t *testing.T) {
	for name, test := range map[string]struct {
		allowed string
		linked  bool
	}{
		"in the group":       {"engineering", true},
		"not in the group":   {"inventors", false},
		"in a similar group": {"Engineering", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := newPanvaRig(t, func(b *testbridge.Bridge) { b.Skill.Allow.Groups = []string{test.allowed} })
			phone := simulator.NewPhone()
			request := b.Request()
			after := p.fillIn(r, phone, b.Open(phone, request.URL()), testbridge.Ada())
			if test.linked {
				b.WantToken(request, b.Decide(phone, after, "link"))
				b.WantLinks(1)
				return
			}
			b.WantError(request, after, "access_denied")
			b.WantLinks(0)
		})
	}
}

// The provider announces iss in its answers, so an response is its own only with the right one (RFC 9207 §2.4).
func TestPanvaAnswerWithAnotherISS(t *testing.T) {
	r, p := newPanvaRig(t)
	changes := map[string]func(query url.Values){
		"stripped":      func(query url.Values) { query.Del("iss") },
		"empty":         func(query url.Values) { query.Set("iss", "") },
		"another":       func(query url.Values) { query.Set("iss", "https://login.fabrikam.com") },
		"with a slash":  func(query url.Values) { query.Set("iss", p.issuer+"/") },
		"in capitals":   func(query url.Values) { query.Set("iss", strings.ToUpper(p.issuer)) },
		"a longer host": func(query url.Values) { query.Set("iss", p.issuer+".fabrikam.com") },
		"our own":       func(query url.Values) { query.Set("iss", b.Config.PublicURL) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			b.Within(t, p)
			phone, request := simulator.NewPhone(), b.Request()
			response := p.answered(r, phone, b.Open(phone, request.URL()), signInAs(testbridge.Ada()))
			if got := response.Query().Get("iss"); got != p.issuer {
				t.Fatalf("the provider sent iss %q", got)
			}
			changed, query := *response, response.Query()
			change(query)
			changed.RawQuery = query.Encode()

			b.WantError(request, b.Open(phone, changed.String()), "access_denied")
			b.WantPage(b.Open(phone, response.String()), http.StatusBadRequest, "start again") // it is over
		})
	}
	b.WantLinks(0)
	p.wantAsked("/token", 0)
	b.WantMetric(fmt.Sprintf(`bridge_links_refused_total{client_id="pizza",reason="provider_refused"} %d`, len(changes)))
}

func TestPanvaPersonRefuses(t *testing.T) {
	r, p := newPanvaRig(t)
	t.Run("at the provider", func(t *testing.T) {
		b.Within(t, p)
		phone, request := simulator.NewPhone(), b.Request()
		response := p.answered(r, phone, b.Open(phone, request.URL()), url.Values{"action": {"cancel"}})
		if response.Query().Get("error") != "access_denied" || response.Query().Get("iss") != p.issuer {
			t.Fatalf("the provider answered %s", response)
		}
		b.WantError(request, b.Open(phone, response.String()), "access_denied")
	})
	t.Run("after a wrong password", func(t *testing.T) {
		b.Within(t, p)
		phone, request := simulator.NewPhone(), b.Request()
		login := b.Open(phone, request.URL())
		again := b.Submit(phone, login, url.Values{"login": {"ada"}, "password": {"wrong"}, "action": {"sign-in"}})
		b.WantError(request, b.Submit(phone, again, url.Values{"action": {"cancel"}}), "access_denied")
	})
	t.Run("on our page", func(t *testing.T) {
		b.Within(t, p)
		phone, request := simulator.NewPhone(), b.Request()
		consent := p.fillIn(r, phone, b.Open(phone, request.URL()), testbridge.Ada())
		b.WantError(request, b.Decide(phone, consent, "cancel"), "access_denied")
	})
	b.WantLinks(0)
}

func TestPanvaDownBeforeCallback(t *testing.T) {
	for name, bridgeRestarts := range map[string]bool{"the bridge knows the provider": false, "the bridge restarts too": true} {
		t.Run(name, func(t *testing.T) {
			r, p := newPanvaRig(t)
			phone := simulator.NewPhone()
			request := b.Request()
			login := b.Open(phone, request.URL())
			response := p.answered(r, phone, login, signInAs(testbridge.Ada()))

			p.kill()
			if bridgeRestarts {
				b.Restart()
			}
			down := b.Open(phone, response.String())
			b.WantPage(down, http.StatusServiceUnavailable, "sign‑in does not answer")
			if bridgeRestarts { // discovery fails, so nobody is sent to where nobody answers
				down = b.Decide(phone, down, "switch")
				b.WantPage(down, http.StatusServiceUnavailable, "sign‑in does not answer")
			}

			p.start()
			b.Clock.Advance(3 * time.Second) // a failed discovery is not tried again at once
			consent := p.fillIn(r, phone, b.Decide(phone, down, "switch"), testbridge.Ada())
			b.WantPage(consent, http.StatusOK, "Ada Lovelace")
			b.WantActive(b.WantToken(request, b.Decide(phone, consent, "link")))
			b.WantLinks(1)
			if bridgeRestarts {
				p.wantAsked("/.well-known/openid-configuration", 1)
			}
		})
	}
}

func TestPanvaUseAnotherAccount(t *testing.T) {
	r, p := newPanvaRig(t)
	phone := simulator.NewPhone()
	request := b.Request()
	p.fillIn(r, phone, b.Open(phone, request.URL()), testbridge.Ada())
	b.Clock.Advance(time.Second) // so that of this browser's flows the first is the oldest, and makes room
	consent := b.Open(phone, request.URL())
	b.WantPage(consent, http.StatusOK, "Ada Lovelace") // without a login page: the provider still knows her

	login := b.Decide(phone, consent, "switch")
	ended := p.fillIn(r, phone, login, testbridge.Hedy())
	other := b.Submit(phone, ended, nil) // the page that ends Ada's session, whose script submits it
	b.WantPage(other, http.StatusOK, "Hedy Lamarr")
	if strings.Contains(other.Body, "Ada") {
		t.Error("the page still speaks of Ada")
	}
	b.WantPage(b.Decide(phone, consent, "link"), http.StatusBadRequest, "answered this already")
	token := b.WantToken(request, b.Decide(phone, other, "link"))

	if got := b.Lookup(token); got.Subject != testbridge.Hedy().Subject {
		t.Errorf("linked %s, want %s", got.Subject, testbridge.Hedy().Subject)
	}
	b.WantLinks(1)
}

// Without a page of ours that asks, nobody may be linked whom the provider only remembers.
func TestPanvaSignsInAnewWithoutConsentPage(t *testing.T) {
	r, p := newPanvaRig(t, func(b *testbridge.Bridge) { b.Skill.Consent = false })
	phone := simulator.NewPhone()
	for range 2 {
		request := b.Request()
		b.WantToken(request, p.fillIn(r, phone, b.Open(phone, request.URL()), testbridge.Ada()))
	}
	b.WantLinks(2)
}
