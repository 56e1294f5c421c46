package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

const (
	alexaSkillID = "amzn1.ask.skill.6f1b4d2e-52c7-4c58-9a3e-0d1c2b3a4f5e"
	// skillWithin is how long Alexa waits for a skill.
	skillWithin = 8 * time.Second
	maxAnswer   = 1 << 20
)

// pretendAlexa is Alexa with the account of one customer. It does what the real one does, as far as a skill and a bridge
// can see. It is safe for concurrent use.
type pretendAlexa struct {
	origins origins
	story   *story
	client  *http.Client

	mu      sync.Mutex
	account account
}

// account is what Alexa knows about the one skill of its one customer.
type account struct {
	Asked  *simulator.Request // what linking was begun with and has not ended; nil: nothing
	UserID string             // another one after each enabling
	Token  string             // empty: not linked
	Fault  string             // why the last linking failed
	Ended  bool               // the operator has ended the link, which Alexa does not know
	Heard  *reply             // the skill's last answer, since Alexa got its token
}

// reply is what a skill said.
type reply struct {
	Speech string
	Card   string // the type of its card; LinkAccount asks for linking
}

// cardLinkAccount makes the Alexa app show "Link account".
const cardLinkAccount = "LinkAccount"

func newPretendAlexa(at origins, s *story) *pretendAlexa {
	return &pretendAlexa{origins: at, story: s, client: &http.Client{Timeout: skillWithin}}
}

// now returns the account as it is.
func (a *pretendAlexa) now() account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.account
}

// enable begins to link, and returns the URL that the Alexa app opens.
func (a *pretendAlexa) enable() string {
	asked := &simulator.Request{
		AuthorizationURI: a.origins.Bridge + "/authorize", ClientID: skillClientID, ResponseType: "token",
		State: simulator.NewState(), Scopes: []string{skillScope},
		RedirectURI: a.destination() + "?vendorId=" + vendorID,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = account{Asked: asked, UserID: "amzn1.ask.account." + rand.Text() + rand.Text() + rand.Text()}
	a.story.begin("Link the account")
	return asked.URL()
}

// destination is where the bridge sends the browser in the end, without its query.
func (a *pretendAlexa) destination() string { return a.origins.Alexa + redirectPath }

// errNotOurs is the answer to a fragment whose state Alexa did not send.
var errNotOurs = errors.New("the state is not the one that this app began with, so nothing was taken")

// arrive takes the fragment of the redirect URI. An answer with another state than ours belongs to another linking than
// this one; somebody may have sent it to give us their account (RFC 6749 §10.12).
func (a *pretendAlexa) arrive(fragment string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, err := url.ParseQuery(fragment)
	if err != nil || a.account.Asked == nil || answer.Get("state") != a.account.Asked.State {
		a.story.tell(arrivalStep(a.origins.Alexa, fragment, errNotOurs.Error()))
		return errNotOurs
	}
	a.account.Asked = nil
	if a.account.Token = answer.Get("access_token"); a.account.Token == "" {
		a.account.Fault = describeFault(answer)
		a.story.tell(arrivalStep(a.origins.Alexa, fragment, "The state is ours. No token came: "+a.account.Fault))
		return nil
	}
	a.story.tell(arrivalStep(a.origins.Alexa, fragment, "The state is ours. The account is linked; Alexa keeps the token."))
	return nil
}

func describeFault(answer url.Values) string {
	fault := answer.Get("error")
	if fault == "" {
		return "the answer has neither a token nor an error"
	}
	if description := answer.Get("error_description"); description != "" {
		fault += ": " + description
	}
	return fault
}

// ask sends what a person said to the skill and returns its answer.
func (a *pretendAlexa) ask(ctx context.Context) (reply, error) {
	a.story.begin("Ask the skill")
	account := a.now()
	body, err := json.MarshalIndent(newIntentRequest(account), "", "  ")
	if err != nil {
		return reply{}, err
	}
	heard, err := a.send(ctx, body)
	if err != nil {
		return reply{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account.Heard = &heard
	return heard, nil
}

// send posts a request to the skill.
func (a *pretendAlexa) send(ctx context.Context, body []byte) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.origins.Skill+"/", bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/json;charset=utf-8")
	response, err := a.client.Do(request)
	if err != nil {
		return reply{}, fmt.Errorf("the skill does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return reply{}, fmt.Errorf("the skill answered with status %d", response.StatusCode)
	}
	var envelope skillResponse
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&envelope); err != nil {
		return reply{}, fmt.Errorf("the skill's answer cannot be read: %w", err)
	}
	heard := reply{Speech: envelope.Response.OutputSpeech.Text}
	if envelope.Response.Card != nil {
		heard.Card = envelope.Response.Card.Type
	}
	return heard, nil
}

// disable forgets the token, as Alexa does when a person disables the skill.
func (a *pretendAlexa) disable() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = account{}
	a.story.begin("Disable the skill")
	a.story.tell(disableStep())
}

// linkEnded notes for the page that the operator ended the link. The real Alexa is not told.
func (a *pretendAlexa) linkEnded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account.Ended = a.account.Token != ""
	a.account.Heard = nil
}
