package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

const (
	alexaSkillID = "amzn1.ask.skill.6f1b4d2e-52c7-4c58-9a3e-0d1c2b3a4f5e"
	// skillTimeout is how long Alexa waits for a skill.
	skillTimeout = 8 * time.Second
	maxResponse  = 1 << 20
)

// fakeAlexa is Alexa with one customer. To a skill and a bridge it behaves as the real one. It is safe for concurrent
// use.
type fakeAlexa struct {
	origins    origins
	secret     string // of the skill, in its account linking settings
	signer     *simulator.Signer
	transcript *transcript
	client     *http.Client

	mu      sync.Mutex
	account account
}

// account is the state of the skill for the customer.
type account struct {
	attempt   int                // counts how often the skill was enabled, linked or disabled
	Grant     bridge.Grant       // by which the skill is linked
	Pending   *simulator.Request // the authorization request without a response yet, or nil
	UserID    string             // a new one each time the skill is enabled; empty: it is not
	Disabled  bool               // the person disabled the skill while it was linked, and has not linked it since
	Token     string             // the access token; empty: not linked
	Refresh   string             // the refresh token; empty: none
	ExpiresAt time.Time          // of the access token; zero: never
	Refreshed bool               // Alexa has refreshed the access token
	Problem   string             // why the last attempt to link failed
	Ending    ending             // what ended the link, or will end it; Alexa does not know
	Refused   bool               // the skill has asked for a link since there was one
	Unlinked  bool               // the bridge rejected the refresh token, so Alexa knows
	LastReply *reply             // of the skill, since the last change; nil: none
}

// ending is what ends a link.
type ending string

// Endings. A link may live on for some seconds after the company disabled the account or signed the person out.
const (
	endingRevoked     ending = "revoked" // by anybody, or by a company that has enabled the account again since
	endingDisabled    ending = "account disabled"
	endingSignedOut   ending = "signed out"
	endingDeactivated ending = "account deactivated"
)

// locked reports whether the person cannot sign in any more.
func (e ending) locked() bool { return e == endingDisabled || e == endingDeactivated }

// Expired reports whether the access token has expired.
func (a account) Expired() bool { return !a.ExpiresAt.IsZero() && !time.Now().Before(a.ExpiresAt) }

// reply is the response of a skill.
type reply struct {
	Speech string
	Card   string // the type of the card; empty: none
}

// cardLinkAccount is the type of the card that asks the person to link the account.
const cardLinkAccount = "LinkAccount"

func newFakeAlexa(at origins, secret string, signer *simulator.Signer, s *transcript) *fakeAlexa {
	return &fakeAlexa{
		origins: at, secret: secret, signer: signer, transcript: s,
		client:  &http.Client{Timeout: skillTimeout},
		account: account{Grant: bridge.GrantAuthorizationCode},
	}
}

// snapshot returns the current account.
func (a *fakeAlexa) snapshot() account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.account
}

// update changes the account unless the skill was disabled or enabled again meanwhile.
func (a *fakeAlexa) update(was account, change func(*account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account.attempt == was.attempt {
		change(&a.account)
	}
}

// newUserID returns what Alexa calls a person who enables a skill, even one who had enabled it before.
func newUserID() string { return "amzn1.ask.account." + rand.Text() + rand.Text() + rand.Text() }

// enable enables the skill unless it is, starts to link, and returns the URL that the Alexa app opens.
func (a *fakeAlexa) enable(grant bridge.Grant) string {
	title, request := "Link the account by the implicit grant",
		a.linking().NewRequest(bridge.ResponseTypeToken, a.origins.implicitRedirectURI())
	if grant == bridge.GrantAuthorizationCode {
		title = "Link the account by the code grant"
		request = a.linking().NewRequest(bridge.ResponseTypeCode, a.origins.codeRedirectURI())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = account{attempt: a.account.attempt + 1, Grant: grant, Pending: &request,
		UserID: cmp.Or(a.account.UserID, newUserID())}
	a.transcript.startSection(title)
	return request.URL()
}

// enableByVoice enables the skill without a link, unless it is enabled.
func (a *fakeAlexa) enableByVoice() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account.UserID == "" {
		a.account.attempt++
		a.account.UserID = newUserID()
		a.transcript.add(enableByVoiceStep())
	}
}

// ask sends what a person said to the skill and returns its reply. A skill that is not enabled is enabled by that, and
// an expired access token is refreshed first.
func (a *fakeAlexa) ask(ctx context.Context) (reply, error) {
	a.transcript.startSection("Ask the skill")
	a.enableByVoice()
	if err := a.refresh(ctx); err != nil {
		return reply{}, err
	}
	from := a.snapshot()
	body, err := json.MarshalIndent(newIntentRequest(from), "", "  ")
	if err != nil {
		return reply{}, err
	}
	heard, err := a.send(ctx, body)
	if err != nil {
		return reply{}, err
	}
	a.update(from, func(now *account) {
		now.LastReply = &heard
		now.Refused = now.refused()
	})
	return heard, nil
}

// send posts a request to the skill.
func (a *fakeAlexa) send(ctx context.Context, body []byte) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.origins.Skill+"/", bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if request.Header, err = a.signer.Sign(body); err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/json;charset=utf-8")
	response, err := a.client.Do(request)
	if err != nil {
		return reply{}, fmt.Errorf("the skill does not respond: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return reply{}, fmt.Errorf("the skill responded with status %d", response.StatusCode)
	}
	var envelope skillResponse
	if err := json.NewDecoder(io.LimitReader(response.Body, maxResponse)).Decode(&envelope); err != nil {
		return reply{}, fmt.Errorf("the skill's response cannot be decoded: %w", err)
	}
	heard := reply{Speech: envelope.Response.OutputSpeech.Text}
	if envelope.Response.Card != nil {
		heard.Card = envelope.Response.Card.Type
	}
	return heard, nil
}

// hourLater makes Alexa believe that its access token has expired. A token that never expires stays.
func (a *fakeAlexa) hourLater() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account.ExpiresAt.IsZero() {
		return
	}
	a.account.ExpiresAt = time.Now()
	a.account.LastReply = nil
	a.transcript.startSection("An hour later")
	a.transcript.add(hourLaterStep())
}

// disable forgets the tokens, as Alexa does when a person disables the skill, and returns the account as it was.
func (a *fakeAlexa) disable(title string) account {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.account
	a.account = account{attempt: was.attempt + 1, Grant: was.Grant, Disabled: was.Token != ""}
	a.transcript.startSection(title)
	a.transcript.add(disableStep())
	return was
}

// linkEnding records for the page what ends the link. The real Alexa is not notified.
func (a *fakeAlexa) linkEnding(by ending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account.Token != "" {
		a.account.Ending = by
	}
	a.account.LastReply = nil
}

// linkEnded records for the page that something ended the link that did not come from the page, such as a command. was
// is the account when that was found out.
func (a *fakeAlexa) linkEnded(was account) {
	a.update(was, func(now *account) {
		if now.Token == "" || now.Token != was.Token || now.Ending != "" {
			return
		}
		now.Ending = endingRevoked
		if !now.refused() {
			now.LastReply = nil
		}
	})
}

// accountEnabled records for the page that the company enabled the account of the person again, and whether the link
// still lives.
func (a *fakeAlexa) accountEnabled(live bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.account.Ending.locked():
	case live:
		a.account.Ending = ""
	default:
		a.account.Ending = endingRevoked
	}
}
