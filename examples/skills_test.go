//go:build strict

// Package examples_test plays Alexa against the example skills that are not written in Go: each runs as a process,
// with a real bridge behind it.
package examples_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

const skillID = "amzn1.ask.skill.1"

// scene is a skill with its bridge.
type scene struct {
	*testbridge.Bridge
	skill simulator.Skill
}

func TestSkillNode(t *testing.T) {
	needNode(t)
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{Bridge: testbridge.Start(t, allowTestLinks), skill: simulator.Skill{ID: skillID, Signer: signer}}
	environment := append(s.environment(), "SKILL_ID="+skillID, serveChain(t, signer), writeRoot(t, signer))
	command := []string{"node", "--require", "./testdata/amazon.js", "skill.js"}
	s.skill.Endpoint = startSkill(t, "skill-node", command, environment)
	s.play("<speak>Hello Ada Lovelace</speak>")
	s.refusesForgeries()
	s.disable()

	s.skill.Endpoint = startSkill(t, "skill-node", command, append(environment, "ALLOW_TEST_LINKS=yes"))
	s.wantReply("a test link, allowed", s.mint(), simulator.Reply{Speech: "<speak>Hello Test</speak>"})
}

func TestSkillPython(t *testing.T) {
	needPython(t)
	s := &scene{Bridge: testbridge.Start(t, allowTestLinks), skill: simulator.Skill{ID: skillID}}
	command := []string{"python3", "skill.py"}
	s.skill.Endpoint = startSkill(t, "skill-python", command, s.environment())
	s.play("Hello Ada Lovelace")
	s.disable()

	s.skill.Endpoint = startSkill(t, "skill-python", command, append(s.environment(), "ALLOW_TEST_LINKS=yes"))
	s.wantReply("a test link, allowed", s.mint(), simulator.Reply{Speech: "Hello Test"})
}

func allowTestLinks(b *testbridge.Bridge) {
	b.Skill.TestTokens, b.Skill.SkillIDs = true, []string{skillID}
}

// disable links Ada, and disables the skill in the Alexa app, as the skill learns by events.
func (s *scene) disable() {
	s.Helper()
	const user = "amzn1.ask.account.ADA"
	token := s.link()
	linked, err := simulator.AccountLinked(skillID, user, token, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	disabled, err := simulator.SkillDisabled(skillID, user, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	for _, event := range [][]byte{linked, disabled} {
		if err := s.skill.SendEvent(context.Background(), event); err != nil {
			s.Error(err)
		}
	}
	s.wantReply("disabled", token, simulator.Reply{Speech: "Please link your account in the Alexa app.",
		Card: "LinkAccount"})
}

// environment returns how the skill reaches the bridge.
func (s *scene) environment() []string {
	return []string{"LOOKUP_URL=" + s.Origin + "/lookup", "BACKEND_ID=" + testbridge.BackendID,
		"BACKEND_SECRET=" + testbridge.BackendSecret, "PORT=0"}
}

// play links Ada, lets her speak during an outage and after it, and revokes the link.
func (s *scene) play(hello string) {
	s.Helper()
	link := simulator.Reply{Speech: "Please link your account in the Alexa app.", Card: "LinkAccount"}
	tryLater := simulator.Reply{Speech: "This is not available right now. Please try again later."}
	greeting := simulator.Reply{Speech: hello}

	s.wantReply("not linked", "", link)
	token := s.link()
	s.wantReply("linked", token, greeting)
	s.ReplaceStore(outage{s.Store})
	s.wantReply("outage of the database", token, tryLater)
	s.ReplaceStore(s.Store)
	s.wantReply("after the outage", token, greeting)
	secrets := s.Config.Backends[0].Secrets
	s.Config.Backends[0].Secrets = []bridge.Secret{bridge.NewSecret(testbridge.LightsSecret + "!")}
	s.Restart()
	s.wantReply("the secret was rotated", token, tryLater)
	s.Config.Backends[0].Secrets = secrets
	s.Restart()
	s.wantReply("a test link", s.mint(), link)
	s.wantReply("still linked", token, greeting)
	s.revoke(token)
	s.wantReply("revoked", token, link)
}

// outage is a store whose database cannot be reached.
type outage struct{ bridge.Store }

func (outage) Lookup(context.Context, bridge.Hash) (bridge.AccessToken, error) {
	return bridge.AccessToken{}, errors.New("the database is down")
}

func (s *scene) wantReply(when, token string, want simulator.Reply) {
	s.Helper()
	got, err := s.skill.Launch(context.Background(), token)
	if err != nil || got != want {
		s.Errorf("%s: %+v, want %+v (%v)", when, got, want, err)
	}
}

// link links Ada's account, and returns the access token.
func (s *scene) link() string {
	s.Helper()
	request := simulator.Request{
		AuthorizationURI: s.Origin + "/authorize", ClientID: s.Skill.ClientID, ResponseType: "token",
		State: simulator.NewState(), RedirectURI: alexa.RedirectURIs(testbridge.VendorID)[0],
	}
	ada := testbridge.Ada()
	response, err := simulator.NewPhone().Link(request,
		url.Values{"login": {ada.Login}, "password": {ada.Password}, "action": {"sign-in"}}, url.Values{"decision": {"link"}})
	if err != nil {
		s.Fatal(err)
	}
	s.KeepSecret(response.Get("access_token"))
	return response.Get("access_token")
}

// mint makes a test link, and returns its access token.
func (s *scene) mint() string {
	s.Helper()
	link, token := bridge.NewTestLink(s.Skill, "test", bridge.Claims{"name": "Test"}, "test", time.Now(), time.Hour)
	if err := s.Store.Mint(context.Background(), link); err != nil {
		s.Fatal(err)
	}
	s.KeepSecret(token)
	return token
}

// revoke ends the link of a token, as a backend may.
func (s *scene) revoke(token string) {
	s.Helper()
	form := url.Values{"token": {token}, "client_id": {testbridge.BackendID}, "client_secret": {testbridge.BackendSecret}}
	response, err := http.PostForm(s.Origin+"/revoke", form)
	if err != nil {
		s.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.Fatalf("revoke: status %d", response.StatusCode)
	}
}

// refusesForgeries sends requests that Alexa did not sign for this skill.
func (s *scene) refusesForgeries() {
	s.Helper()
	other, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		s.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		skill  simulator.Skill
		status string
	}{
		{"not signed", simulator.Skill{ID: skillID}, "status 400"},
		{"signed by somebody else", simulator.Skill{ID: skillID, Signer: other}, "status 400"},
		{"signed, but for another skill", simulator.Skill{ID: skillID + "2", Signer: s.skill.Signer}, "status 500"},
	} {
		tt.skill.Endpoint = s.skill.Endpoint
		reply, err := tt.skill.Launch(context.Background(), "")
		if err == nil || !strings.Contains(err.Error(), tt.status) {
			s.Errorf("%s: %+v, %v, want %s", tt.name, reply, err, tt.status)
		}
	}
	for name, age := range map[string]time.Duration{"good": 0, "too old": 3 * time.Minute, "tampered with": 0} {
		body, err := simulator.LaunchRequest(skillID, "", time.Now().Add(-age))
		if err != nil {
			s.Fatal(err)
		}
		header, err := s.skill.Signer.Sign(body)
		if err != nil {
			s.Fatal(err)
		}
		if name == "tampered with" {
			body = append(body, ' ')
		}
		want := http.StatusBadRequest
		if name == "good" {
			want = http.StatusOK
		}
		if status := s.post(header, body); status != want {
			s.Errorf("%s: status %d, want %d", name, status, want)
		}
	}
}

func (s *scene) post(header http.Header, body []byte) int {
	s.Helper()
	request, err := http.NewRequest(http.MethodPost, s.skill.Endpoint, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json;charset=utf-8")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
