package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/simulator"
)

const tokenEndpoint = "/oauth/token" // of the provider

// atCallback signs a person in and returns the address of the callback that the browser was sent to, without going there.
func (r *rig) atCallback(phone *simulator.Phone, request simulator.Request) string {
	r.Helper()
	phone.Destinations = []string{r.origin + "/callback/corp"}
	page := r.signIn(phone, request, ada)
	phone.Destinations = nil
	if !page.Arrived {
		r.Fatalf("not at the callback but at %s", page.URL)
	}
	return page.URL.String()
}

func TestDoubleTap(t *testing.T) {
	r := newRig(t)
	r.clock.hold()
	for _, decision := range []string{"link", "cancel"} {
		phone := simulator.NewPhone()
		consent := r.signIn(phone, r.request(), ada)
		first := r.decide(phone, consent, decision)
		r.clock.advance(59 * time.Second)
		second := r.decide(phone, consent, decision)
		if !first.Arrived || first.URL.String() != second.URL.String() {
			t.Errorf("%s: first to %s, then to %s", decision, first.URL, second.URL)
		}
		r.clock.advance(2 * time.Second)
		r.wantPage(r.decide(phone, consent, decision), http.StatusBadRequest, "You have answered this already")
	}
	r.wantLinks(1)
}

func TestDecisionIsFinal(t *testing.T) {
	r := newRig(t)
	for _, first := range []string{"link", "cancel", "switch"} {
		for _, second := range []string{"link", "cancel", "switch"} {
			if first == second {
				continue
			}
			phone := simulator.NewPhone()
			consent := r.signIn(phone, r.request(), ada)
			r.decide(phone, consent, first)
			r.wantPage(r.decide(phone, consent, second), http.StatusBadRequest, "You have answered this already")
		}
	}
	r.wantLinks(2) // of the two that began with link
}

func TestManyTapsAtOnce(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	consent := r.signIn(phone, request, ada)
	arrived := make([]*simulator.Page, 16)
	var group sync.WaitGroup
	for i := range arrived {
		group.Go(func() { arrived[i], _ = phone.Submit(consent, url.Values{"decision": {"link"}}) })
	}
	group.Wait()
	for _, page := range arrived {
		if page == nil || page.URL.String() != arrived[0].URL.String() {
			t.Fatalf("arrived at %v, not at %v", page, arrived[0])
		}
	}
	r.wantActive(r.wantToken(request, arrived[0]))
	r.wantLinks(1)
}

func TestCallbackAgain(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	callback := r.atCallback(phone, r.request())

	consent := r.open(phone, callback)
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	r.wantPage(r.open(phone, callback), http.StatusOK, "Ada Lovelace")
	if n := r.provider.Requests(tokenEndpoint); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
	r.decide(phone, consent, "link")
	r.wantPage(r.open(phone, callback), http.StatusBadRequest, "You have answered this already")
	r.wantLinks(1)
}

// A browser that loads the callback several times at once, or gives up and loads it again, sends the code once.
func TestCallbackManyTimesAtOnce(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	callback := r.atCallback(phone, r.request())
	pages := make([]*simulator.Page, 8)
	var group sync.WaitGroup
	for i := range pages {
		group.Go(func() { pages[i], _ = phone.Open(callback) })
	}
	group.Wait()
	for _, page := range pages {
		r.wantPage(page, http.StatusOK, "Ada Lovelace")
	}
	if n := r.provider.Requests(tokenEndpoint); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
}

func TestUseAnotherAccount(t *testing.T) {
	grace := ada
	grace.Subject, grace.Login, grace.GivenName, grace.FamilyName = "g9", "grace", "Grace", "Hopper"
	r := newRig(t)
	r.provider.AddPerson(grace)
	phone := simulator.NewPhone()
	var authorization string
	phone.Trace = func(exchange simulator.Exchange) {
		if exchange.URL.Path == "/consent" {
			authorization = exchange.Location
		}
	}
	request := r.request()
	login := r.decide(phone, r.signIn(phone, request, ada), "switch")
	if !strings.Contains(authorization, "prompt=login") {
		t.Errorf("the provider was not asked for another account: %s", authorization)
	}
	consent := r.fillIn(phone, login, grace)
	r.wantPage(consent, http.StatusOK, "Grace Hopper")
	token := r.wantToken(request, r.decide(phone, consent, "link"))
	if subject := r.lookup(token).Subject; subject != "g9" {
		t.Errorf("linked %s", subject)
	}
	r.wantLinks(1)
}

// The bridge is restarted between every two steps, with a new key in front: a flow needs nothing that a process holds.
func TestRestartBetweenSteps(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()
	phone.Destinations = []string{r.origin + "/callback/corp"}
	login := r.open(phone, request.URL())
	r.restartWithNewKey()
	callback := r.fillIn(phone, login, ada)
	phone.Destinations = nil
	r.restartWithNewKey()
	consent := r.open(phone, callback.URL.String())
	r.wantPage(consent, http.StatusOK, "Ada Lovelace")
	r.restartWithNewKey()
	token := r.wantToken(request, r.decide(phone, consent, "link"))
	r.restartWithNewKey()
	again := r.decide(phone, consent, "link")
	if got := r.wantToken(request, again); got != token {
		t.Error("a second tap after a restart got another token")
	}
	r.wantActive(token)
	r.wantLinks(1)
}

func TestFlowEndsAfterTenMinutes(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	callback := r.atCallback(phone, r.request())
	r.clock.advance(10 * time.Minute)
	r.wantPage(r.open(phone, callback), http.StatusBadRequest, "Please start again in the Alexa app")
	if n := r.provider.Requests(tokenEndpoint); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}

	phone = simulator.NewPhone()
	consent := r.signIn(phone, r.request(), ada)
	r.clock.advance(10 * time.Minute)
	r.wantPage(r.decide(phone, consent, "link"), http.StatusBadRequest, "Please start again in the Alexa app")
	r.wantLinks(0)
}

// Someone who was given the page again by the Back button after the skill left the configuration links nothing.
func TestConfigurationChangedMeanwhile(t *testing.T) {
	changes := map[string]func(*rig){
		"redirect URI taken away": func(r *rig) { r.skill.RedirectURIs = r.skill.RedirectURIs[:1] },
		"skill taken away":        func(r *rig) { r.config.Skills = r.config.Skills[1:] },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			phone := simulator.NewPhone()
			consent := r.signIn(phone, r.request(), ada)
			change(r)
			r.restart()
			r.wantPage(r.decide(phone, consent, "link"), http.StatusBadRequest, "This skill is not known here")
			r.wantLinks(0)
		})
	}
	t.Run("no longer allowed", func(t *testing.T) {
		r := newRig(t)
		phone := simulator.NewPhone()
		request := r.request()
		consent := r.signIn(phone, request, ada)
		r.skill.Allow.Groups = []string{"nobody"}
		r.restart()
		r.wantError(request, r.decide(phone, consent, "link"), "access_denied")
		r.wantLinks(0)
	})
}
