package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/internal/testbridge"
)

const skillID = "amzn1.ask.skill.00000000"

// world is a bridge behind a proxy, and the skill that asks it.
type world struct {
	*testbridge.Bridge
	skill *skill
	down  atomic.Bool // the proxy does not reach the bridge
}

func newWorld(t *testing.T, changes ...func(*testbridge.Bridge)) *world {
	t.Helper()
	w := &world{Bridge: testbridge.Start(t, func(b *testbridge.Bridge) {
		b.Skill.Claims = []string{"given_name"}
		for _, change := range changes {
			change(b)
		}
	})}
	origin, err := url.Parse(w.Origin)
	if err != nil {
		t.Fatal(err)
	}
	toBridge := httputil.NewSingleHostReverseProxy(origin)
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.down.Load() {
			http.Error(rw, "<h1>Bad gateway</h1>", http.StatusBadGateway)
			return
		}
		toBridge.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	w.skill = &skill{id: skillID, client: &lookup.Client{
		Endpoint: proxy.URL + "/lookup", ID: testbridge.BackendID, Secret: testbridge.BackendSecret,
	}}
	return w
}

// link signs Ada in, presses Link, and returns the access token that Alexa gets.
func (w *world) link() string {
	w.Helper()
	request := simulator.Linking{AuthorizationURI: w.Origin + "/authorize", ClientID: "pizza"}.
		NewRequest("token", alexa.RedirectURIs(testbridge.VendorID)[1])
	response, err := simulator.NewPhone().Link(request,
		url.Values{"login": {testbridge.Ada().Login}, "password": {testbridge.Ada().Password}, "action": {"sign-in"}},
		url.Values{"decision": {"link"}})
	if err != nil {
		w.Fatal(err)
	}
	w.KeepSecret(response.Get("access_token"))
	return response.Get("access_token")
}

// open is how Alexa opens the skill, and returns what it says.
type open func(token string) simulator.Reply

// play links, speaks, has an outage, and is revoked.
func (w *world) play(open open) {
	w.Helper()
	want := func(when, token, speech, card string) {
		w.Helper()
		reply := open(token)
		if !strings.Contains(reply.Speech, speech) || reply.Card != card {
			w.Errorf("%s: %q with card %q, want %q with card %q", when, reply.Speech, reply.Card, speech, card)
		}
	}
	want("not linked", "", "link your account", "LinkAccount")
	token := w.link()
	want("linked", token, "Hello Ada", "")
	w.down.Store(true)
	want("during an outage", token, "try again later", "")
	w.down.Store(false)
	want("after the outage", token, "Hello Ada", "")
	by := bridge.Revocation{Reason: bridge.ReasonOperator, At: time.Now()}
	if ended, err := w.Store.Revoke(w.Context(), bridge.LinkFilter{}, by); err != nil || len(ended) != 1 {
		w.Fatalf("%d links revoked: %v", len(ended), err)
	}
	w.down.Store(true)
	want("revoked, during an outage", token, "try again later", "")
	w.down.Store(false)
	want("revoked", token, "link your account", "LinkAccount")
}

func TestEndpoint(t *testing.T) {
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	endpoint := httptest.NewServer(w.skill.handler(&alexa.Verifier{
		SkillIDs: []string{skillID}, Roots: signer.Roots(), Transport: signer.Transport(),
	}))
	defer endpoint.Close()
	skill := simulator.Skill{Endpoint: endpoint.URL, ID: skillID, Signer: signer}
	w.play(func(token string) simulator.Reply {
		t.Helper()
		reply, err := skill.Launch(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	})
	for name, stranger := range map[string]simulator.Skill{
		"unsigned":      {Endpoint: endpoint.URL, ID: skillID},
		"another skill": {Endpoint: endpoint.URL, ID: "amzn1.ask.skill.1", Signer: signer},
	} {
		if reply, err := stranger.Launch(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
}

func TestLambda(t *testing.T) {
	w := newWorld(t)
	handler := lambda.NewHandler(w.skill.respond)
	w.play(func(token string) simulator.Reply {
		t.Helper()
		return invoke(t, handler, skillID, token)
	})
	body, err := simulator.LaunchRequest("amzn1.ask.skill.1", "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if response, err := handler.Invoke(t.Context(), body); err == nil {
		t.Errorf("another skill: %s", response)
	}
}

// TestEventsOnLambda gets events on Lambda: that the person linked, and that they disabled the skill.
func TestEventsOnLambda(t *testing.T) {
	w := newWorld(t, func(b *testbridge.Bridge) { b.Skill.SkillIDs = []string{skillID} })
	handler := lambda.NewHandler(w.skill.respond)
	token, user := w.link(), "amzn1.ask.account.ADA"
	linked, err := simulator.AccountLinked(skillID, user, token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	disabled, err := simulator.SkillDisabled(skillID, user, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.down.Store(true)
	if output, err := handler.Invoke(t.Context(), linked); err == nil {
		t.Errorf("during an outage: %s; Alexa would not send the event again", output)
	}
	w.down.Store(false)
	for _, event := range [][]byte{linked, disabled} {
		output, err := handler.Invoke(t.Context(), event)
		if err != nil || string(output) != `{"version":"1.0","response":{}}` {
			t.Errorf("%s, %v", output, err)
		}
	}
	if reply := invoke(t, handler, skillID, token); reply.Card != "LinkAccount" {
		t.Errorf("after the skill was disabled: %+v", reply)
	}
}

func invoke(t *testing.T, handler lambda.Handler, skillID, token string) simulator.Reply {
	t.Helper()
	body, err := simulator.LaunchRequest(skillID, token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	output, err := handler.Invoke(t.Context(), body)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct {
		Response struct {
			OutputSpeech struct{ Text string }
			Card         struct{ Type string }
		}
	}
	if err := json.Unmarshal(output, &envelope); err != nil {
		t.Fatal(err)
	}
	return simulator.Reply{Speech: envelope.Response.OutputSpeech.Text, Card: envelope.Response.Card.Type}
}

// The end of a session is not answered by speech.
func TestSessionEnded(t *testing.T) {
	w := newWorld(t)
	body, err := simulator.LaunchRequest(skillID, w.link(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ended := strings.Replace(string(body), "LaunchRequest", "SessionEndedRequest", 1)
	response, err := w.skill.respond(t.Context(), json.RawMessage(ended))
	if err != nil || strings.Contains(string(response), "Speech") {
		t.Errorf("%s, %v", response, err)
	}
}
