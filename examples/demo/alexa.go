package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
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
	secret  string // the skill's, as its account linking settings have it
	story   *story
	client  *http.Client

	mu      sync.Mutex
	account account
}

// account is what Alexa knows about the one skill of its one customer.
type account struct {
	Grant     bridge.Grant       // by which the skill is linked, or will be
	Asked     *simulator.Request // what linking was begun with and has not ended; nil: nothing
	Verifier  string             // what only Alexa knows about the code that it asked for
	UserID    string             // another one after each enabling
	Token     string             // empty: not linked
	Refresh   string             // the refresh token; empty: nothing can renew the token
	ExpiresAt time.Time          // of the token; zero: never
	Refreshed bool               // Alexa has got a new token since it linked
	Fault     string             // why the last linking failed
	Ended     bool               // the operator has ended the link, which Alexa does not know
	Lost      bool               // the bridge refused a new token, so Alexa knows
	Heard     *reply             // the skill's last answer, since something changed
}

// Expired says whether Alexa needs a new token before it can send one.
func (a account) Expired() bool { return !a.ExpiresAt.IsZero() && !time.Now().Before(a.ExpiresAt) }

// reply is what a skill said.
type reply struct {
	Speech string
	Card   string // the type of its card; LinkAccount asks for linking
}

// cardLinkAccount makes the Alexa app show "Link account".
const cardLinkAccount = "LinkAccount"

func newPretendAlexa(at origins, secret string, s *story) *pretendAlexa {
	return &pretendAlexa{
		origins: at, secret: secret, story: s,
		client:  &http.Client{Timeout: skillWithin},
		account: account{Grant: bridge.GrantImplicit},
	}
}

// now returns the account as it is.
func (a *pretendAlexa) now() account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.account
}

// change changes the account if it is still linked as it was, and not disabled or enabled anew meanwhile.
func (a *pretendAlexa) change(was account, change func(*account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account.UserID == was.UserID {
		change(&a.account)
	}
}

// enable begins to link, and returns the URL that the Alexa app opens.
func (a *pretendAlexa) enable(grant bridge.Grant) string {
	begun := account{Grant: grant, Asked: a.origins.request(grant), UserID: "amzn1.ask.account." + rand.Text() + rand.Text() + rand.Text()}
	title, address := "Link the account by the implicit grant", begun.Asked.URL()
	if grant == bridge.GrantAuthorizationCode {
		begun.Verifier = newVerifier()
		title = "Link the account by the code grant"
		address += "&code_challenge=" + challengeOf(begun.Verifier) + "&code_challenge_method=S256"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = begun
	a.story.begin(title)
	return address
}

// request is what the Alexa app asks the bridge for.
func (o origins) request(grant bridge.Grant) *simulator.Request {
	asked := &simulator.Request{
		AuthorizationURI: o.Bridge + "/authorize", ClientID: skillClientID, ResponseType: bridge.ResponseTypeToken,
		State: simulator.NewState(), Scopes: []string{skillScope}, RedirectURI: o.implicitRedirectURI(),
	}
	if grant == bridge.GrantAuthorizationCode {
		asked.ResponseType, asked.RedirectURI = bridge.ResponseTypeCode, o.codeRedirectURI()
	}
	return asked
}

// ask sends what a person said to the skill and returns its answer. Before that it gets a new token if that is due.
func (a *pretendAlexa) ask(ctx context.Context) (reply, error) {
	a.story.begin("Ask the skill")
	if err := a.renew(ctx); err != nil {
		return reply{}, err
	}
	from := a.now()
	body, err := json.MarshalIndent(newIntentRequest(from), "", "  ")
	if err != nil {
		return reply{}, err
	}
	heard, err := a.send(ctx, body)
	if err != nil {
		return reply{}, err
	}
	a.change(from, func(now *account) { now.Heard = &heard })
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

// hourLater makes Alexa believe that its access token has expired. A token that never expires stays.
func (a *pretendAlexa) hourLater() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account.ExpiresAt.IsZero() {
		return
	}
	a.account.ExpiresAt = time.Now()
	a.account.Heard = nil
	a.story.begin("An hour later")
	a.story.tell(hourLaterStep())
}

// disable forgets the tokens, as Alexa does when a person disables the skill.
func (a *pretendAlexa) disable() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = account{Grant: a.account.Grant}
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
