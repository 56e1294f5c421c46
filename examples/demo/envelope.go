package main

import (
	"crypto/rand"
	"time"
)

// intentRequest is the main part of the request that Alexa sends to a custom skill. The access token is in it twice;
// skills use the one in the context.
type intentRequest struct {
	Version string        `json:"version"`
	Session alexaSession  `json:"session"`
	Context alexaContext  `json:"context"`
	Request spokenRequest `json:"request"`
}

type alexaSession struct {
	New         bool             `json:"new"`
	SessionID   string           `json:"sessionId"`
	Application alexaApplication `json:"application"`
	User        alexaUser        `json:"user"`
}

type alexaContext struct {
	System alexaSystem `json:"System"`
}

type alexaSystem struct {
	Application alexaApplication `json:"application"`
	User        alexaUser        `json:"user"`
	APIEndpoint string           `json:"apiEndpoint"`
}

type alexaApplication struct {
	ApplicationID string `json:"applicationId"`
}

type alexaUser struct {
	UserID      string `json:"userId"`
	AccessToken string `json:"accessToken,omitempty"` // absent if the account is not linked
}

type spokenRequest struct {
	Type      string       `json:"type"`
	RequestID string       `json:"requestId"`
	Timestamp string       `json:"timestamp"`
	Locale    string       `json:"locale"`
	Intent    spokenIntent `json:"intent"`
}

type spokenIntent struct {
	Name string `json:"name"`
}

// intentWhoAmI is the intent for "who I am".
const intentWhoAmI = "WhoAmIIntent"

func newIntentRequest(from account) intentRequest {
	application := alexaApplication{alexaSkillID}
	user := alexaUser{UserID: from.UserID, AccessToken: from.Token}
	return intentRequest{
		Version: "1.0",
		Session: alexaSession{New: true, SessionID: "amzn1.echo-api.session." + rand.Text(), Application: application,
			User: user},
		Context: alexaContext{alexaSystem{Application: application, User: user, APIEndpoint: "https://api.amazonalexa.com"}},
		Request: spokenRequest{
			Type: "IntentRequest", RequestID: "amzn1.echo-api.request." + rand.Text(),
			Timestamp: time.Now().UTC().Format(time.RFC3339), Locale: "en-US", Intent: spokenIntent{intentWhoAmI},
		},
	}
}

// skillResponse is the response of a skill.
type skillResponse struct {
	Version  string         `json:"version"`
	Response spokenResponse `json:"response"`
}

type spokenResponse struct {
	OutputSpeech     outputSpeech `json:"outputSpeech"`
	Card             *card        `json:"card,omitempty"`
	ShouldEndSession bool         `json:"shouldEndSession"`
}

type outputSpeech struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type card struct {
	Type string `json:"type"`
}
