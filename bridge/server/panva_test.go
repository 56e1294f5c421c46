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
)

func TestPanvaLinkAndLookUp(t *testing.T) {
	r, p := newPanvaRig(t)
	phone := simulator.NewPhone()
	request := r.request()

	consent := p.fillIn(r, phone, r.open(phone, request.URL()), ada)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	token := r.wantToken(request, r.decide(phone, consent, "link"))

	answer := r.lookup(token)
	if !answer.Active || answer.Subject != ada.Subject || answer.UpstreamISS != p.issuer {
		t.Errorf("looked up %+v", answer)
	}
	if got, want := answer.Claims["groups"], []any{"alexa-users", "engineering"}; !slices.Equal(got.([]any), want) {
		t.Errorf("groups %v, want %v", got, want)
	}
	if got := answer.Claims["email"]; got != ada.Email {
		t.Errorf("email %v, want %s", got, ada.Email)
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
			r, p := newPanvaRig(t, func(r *rig) { r.skill.Allow.Groups = []string{test.allowed} })
			phone := simulator.NewPhone()
			request := r.request()
			after := p.fillIn(r, phone, r.open(phone, request.URL()), ada)
			if test.linked {
				r.wantToken(request, r.decide(phone, after, "link"))
				r.wantLinks(1)
				return
			}
			r.wantError(request, after, "access_denied")
			r.wantLinks(0)
		})
	}
}

// The provider announces iss in its answers, so an answer is its own only with the right one (RFC 9207 §2.4).
func TestPanvaAnswerWithAnotherISS(t *testing.T) {
	r, p := newPanvaRig(t)
	changes := map[string]func(query url.Values){
		"stripped":      func(query url.Values) { query.Del("iss") },
		"empty":         func(query url.Values) { query.Set("iss", "") },
		"another":       func(query url.Values) { query.Set("iss", "https://login.fabrikam.com") },
		"with a slash":  func(query url.Values) { query.Set("iss", p.issuer+"/") },
		"in capitals":   func(query url.Values) { query.Set("iss", strings.ToUpper(p.issuer)) },
		"a longer host": func(query url.Values) { query.Set("iss", p.issuer+".fabrikam.com") },
		"our own":       func(query url.Values) { query.Set("iss", r.config.PublicURL) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r.within(t, p)
			phone, request := simulator.NewPhone(), r.request()
			answer := p.answered(r, phone, r.open(phone, request.URL()), signInAs(ada))
			if got := answer.Query().Get("iss"); got != p.issuer {
				t.Fatalf("the provider sent iss %q", got)
			}
			changed, query := *answer, answer.Query()
			change(query)
			changed.RawQuery = query.Encode()

			r.wantError(request, r.open(phone, changed.String()), "access_denied")
			r.wantPage(r.open(phone, answer.String()), http.StatusBadRequest, "start again") // it is over
		})
	}
	r.wantLinks(0)
	p.wantAsked("/token", 0)
	r.wantMetric(fmt.Sprintf(`bridge_links_refused_total{client_id="pizza",reason="provider_refused"} %d`, len(changes)))
}

func TestPanvaPersonRefuses(t *testing.T) {
	r, p := newPanvaRig(t)
	t.Run("at the provider", func(t *testing.T) {
		r.within(t, p)
		phone, request := simulator.NewPhone(), r.request()
		answer := p.answered(r, phone, r.open(phone, request.URL()), url.Values{"action": {"cancel"}})
		if answer.Query().Get("error") != "access_denied" || answer.Query().Get("iss") != p.issuer {
			t.Fatalf("the provider answered %s", answer)
		}
		r.wantError(request, r.open(phone, answer.String()), "access_denied")
	})
	t.Run("after a wrong password", func(t *testing.T) {
		r.within(t, p)
		phone, request := simulator.NewPhone(), r.request()
		login := r.open(phone, request.URL())
		again := r.submit(phone, login, url.Values{"login": {"ada"}, "password": {"wrong"}, "action": {"sign-in"}})
		r.wantError(request, r.submit(phone, again, url.Values{"action": {"cancel"}}), "access_denied")
	})
	t.Run("on our page", func(t *testing.T) {
		r.within(t, p)
		phone, request := simulator.NewPhone(), r.request()
		consent := p.fillIn(r, phone, r.open(phone, request.URL()), ada)
		r.wantError(request, r.decide(phone, consent, "cancel"), "access_denied")
	})
	r.wantLinks(0)
}

func TestPanvaDownBeforeCallback(t *testing.T) {
	for name, bridgeRestarts := range map[string]bool{"the bridge knows the provider": false, "the bridge restarts too": true} {
		t.Run(name, func(t *testing.T) {
			r, p := newPanvaRig(t)
			phone := simulator.NewPhone()
			request := r.request()
			login := r.open(phone, request.URL())
			answer := p.answered(r, phone, login, signInAs(ada))

			p.kill()
			if bridgeRestarts {
				r.restart()
			}
			down := r.open(phone, answer.String())
			r.wantPage(down, http.StatusServiceUnavailable, "sign‑in does not answer")
			if bridgeRestarts { // discovery fails, so nobody is sent to where nobody answers
				down = r.decide(phone, down, "switch")
				r.wantPage(down, http.StatusServiceUnavailable, "sign‑in does not answer")
			}

			p.start()
			r.clock.advance(3 * time.Second) // a failed discovery is not tried again at once
			consent := p.fillIn(r, phone, r.decide(phone, down, "switch"), ada)
			r.wantPage(consent, http.StatusOK, "Ada Lovelace")
			r.wantActive(r.wantToken(request, r.decide(phone, consent, "link")))
			r.wantLinks(1)
			if bridgeRestarts {
				p.wantAsked("/.well-known/openid-configuration", 1)
			}
		})
	}
}

func TestPanvaUseAnotherAccount(t *testing.T) {
	r, p := newPanvaRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	p.fillIn(r, phone, r.open(phone, request.URL()), ada)
	r.clock.advance(time.Second) // so that of this browser's flows the first is the oldest, and makes room
	consent := r.open(phone, request.URL())
	r.wantPage(consent, http.StatusOK, "Ada Lovelace") // without a login page: the provider still knows her

	login := r.decide(phone, consent, "switch")
	ended := p.fillIn(r, phone, login, hedy())
	other := r.submit(phone, ended, nil) // the page that ends Ada's session, whose script submits it
	r.wantPage(other, http.StatusOK, "Hedy Lamarr")
	if strings.Contains(other.Body, "Ada") {
		t.Error("the page still speaks of Ada")
	}
	r.wantPage(r.decide(phone, consent, "link"), http.StatusBadRequest, "answered this already")
	token := r.wantToken(request, r.decide(phone, other, "link"))

	if got := r.lookup(token); got.Subject != hedy().Subject {
		t.Errorf("linked %s, want %s", got.Subject, hedy().Subject)
	}
	r.wantLinks(1)
}

// Without a page of ours that asks, nobody may be linked whom the provider only remembers.
func TestPanvaSignsInAnewWithoutConsentPage(t *testing.T) {
	r, p := newPanvaRig(t, func(r *rig) { r.skill.Consent = false })
	phone := simulator.NewPhone()
	for range 2 {
		request := r.request()
		r.wantToken(request, p.fillIn(r, phone, r.open(phone, request.URL()), ada))
	}
	r.wantLinks(2)
}
