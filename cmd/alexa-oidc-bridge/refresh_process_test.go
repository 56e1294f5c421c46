package main

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
)

// fleet is two serve processes on one database, and what a client knows of its links.
type fleet struct {
	places    []*place
	processes []*process
	links     []*fleetLink
}

// fleetLink is one link as the rules for rotation have it: which refresh tokens are live, and which were superseded.
type fleetLink struct {
	ended  bool
	tokens []*fleetToken
	access []string
}

type fleetToken struct {
	text       string
	parent     *fleetToken
	superseded bool
	births     int // how many successors it was given
	place      int // among its parent's
}

// evicted says whether its parent was given so many successors after it that it is not remembered.
func (t *fleetToken) evicted() bool {
	return t.parent != nil && t.parent.births-t.place >= bridge.MaxSuccessors
}

// TestRefreshOfTwoProcesses drives two processes at random: refreshes with any token that was ever given out, at either
// process, one by one and many at once, with processes killed and links revoked by a command in between. The finer rules, and
// those that need a clock, are tested on two bridges in process.
func TestRefreshOfTwoProcesses(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		f.Value.Set("18")
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
	f := &fleet{places: newPlaces(t, 2)}
	for _, place := range f.places {
		f.processes = append(f.processes, place.serve())
	}
	rapid.Check(t, func(rt *rapid.T) {
		f.links = []*fleetLink{f.newLink(rt), f.newLink(rt)}
		rt.Repeat(map[string]func(*rapid.T){
			"refresh":         f.refreshOne,
			"refresh at once": f.refreshMany,
			"kill":            f.kill,
			"revoke":          f.revoke,
			"":                f.check,
		})
	})
}

func (f *fleet) place(rt *rapid.T) *place { return rapid.SampledFrom(f.places).Draw(rt, "process") }

// newLink links by the code grant through a browser, and exchanges the code at the other process.
func (f *fleet) newLink(rt *rapid.T) *fleetLink {
	place := f.place(rt)
	phone := simulator.NewPhone()
	request, consent := place.consentPage(phone, "code")
	arrived, err := phone.Submit(consent, url.Values{"decision": {"link"}})
	if err != nil {
		rt.Fatal(err)
	}
	answer, err := request.Answer(arrived.URL)
	if err != nil {
		rt.Fatal(err)
	}
	status, given := f.place(rt).tokens(url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}})
	if status != http.StatusOK {
		rt.Fatalf("exchange: status %d", status)
	}
	return &fleetLink{tokens: []*fleetToken{{text: given.RefreshToken}}, access: []string{given.AccessToken}}
}

type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
}

// tokens asks the token endpoint as the skill does.
func (p *place) tokens(form url.Values) (int, tokenAnswer) {
	var given tokenAnswer
	request, err := http.NewRequest(http.MethodPost, p.origin+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	request.SetBasicAuth("pizza", p.skillSecret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, given
	}
	defer response.Body.Close()
	json.NewDecoder(response.Body).Decode(&given)
	return response.StatusCode, given
}

func (p *place) refresh(token string) (int, tokenAnswer) {
	return p.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// present says what the rules make of a token that is presented, and does to the model what they do.
func (l *fleetLink) present(token *fleetToken) (granted bool) {
	switch {
	case l.ended || token.evicted():
		return false
	case token.superseded:
		l.ended = true
		return false
	case token.parent != nil:
		token.parent.superseded = true
		for _, other := range l.tokens {
			if other.parent == token.parent && other != token {
				other.superseded = true
			}
		}
	}
	token.births++
	return true
}

func (l *fleetLink) take(given tokenAnswer, parent *fleetToken) {
	l.tokens = append(l.tokens, &fleetToken{text: given.RefreshToken, parent: parent, place: parent.births})
	l.access = append(l.access, given.AccessToken)
}

func (l *fleetLink) draw(rt *rapid.T) *fleetToken {
	return l.tokens[rapid.IntRange(0, len(l.tokens)-1).Draw(rt, "token")]
}

func (f *fleet) refreshOne(rt *rapid.T) {
	link := rapid.SampledFrom(f.links).Draw(rt, "link")
	token := link.draw(rt)
	status, given := f.place(rt).refresh(token.text)
	if !link.present(token) {
		if status != http.StatusBadRequest || given.Error != "invalid_grant" {
			rt.Fatalf("refused token: status %d, %s", status, given.Error)
		}
		return
	}
	if status != http.StatusOK {
		rt.Fatalf("live token: status %d, %s", status, given.Error)
	}
	if lost := rapid.IntRange(0, 4).Draw(rt, "answer lost") == 0; !lost {
		link.take(given, token)
	}
}

// refreshMany presents one live token at both processes at once, as a fleet of servers does. All succeed.
func (f *fleet) refreshMany(rt *rapid.T) {
	link := rapid.SampledFrom(f.links).Draw(rt, "link")
	token := link.draw(rt)
	if link.ended || token.superseded || token.evicted() {
		return
	}
	link.present(token)
	answers := make([]tokenAnswer, 6)
	statuses := make([]int, len(answers))
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { statuses[i], answers[i] = f.places[i%2].refresh(token.text) })
	}
	group.Wait()
	for i, status := range statuses {
		if status != http.StatusOK {
			rt.Fatalf("caller %d: status %d, %s", i, status, answers[i].Error)
		}
	}
	// One of them is used at once, which confirms it; the others are forgotten.
	token.births += len(answers) - 1
	chosen := &fleetToken{text: answers[rapid.IntRange(0, len(answers)-1).Draw(rt, "arrived")].RefreshToken, parent: token, place: token.births}
	link.tokens = append(link.tokens, chosen)
	link.present(chosen)
	if status, given := f.place(rt).refresh(chosen.text); status != http.StatusOK {
		rt.Fatalf("one of many: status %d, %s", status, given.Error)
	}
}

// kill ends a process without warning and starts it again. Nothing that was answered is lost.
func (f *fleet) kill(rt *rapid.T) {
	i := rapid.IntRange(0, len(f.places)-1).Draw(rt, "process")
	f.processes[i].signal(os.Kill)
	f.processes[i].wait()
	f.processes[i] = f.places[i].serve()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func (f *fleet) revoke(rt *rapid.T) {
	if rapid.IntRange(0, 4).Draw(rt, "rarely") != 0 {
		return
	}
	code, _, stderr := runCommand("links", "revoke", "--subject", ada.Subject, "--config", f.places[0].config)
	if code != exitDone {
		rt.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, link := range f.links {
		link.ended = true
	}
	f.links = append(f.links, f.newLink(rt))
}

// check looks every access token up, at either process.
func (f *fleet) check(rt *rapid.T) {
	for i, link := range f.links {
		for j, token := range link.access {
			place := f.places[(i+j)%2]
			if link.ended {
				place.wantEnded(token)
			} else if !place.active(token) {
				rt.Fatalf("link %d reads inactive", i)
			}
		}
	}
}
