package lookup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Request is what this package reads of a request that Alexa sends to a skill.
type Request struct {
	// Token is the access token; empty: the account is not linked. In a custom skill with personalization it belongs to
	// the person whose voice Alexa recognized, if that one has linked, and else to the account.
	Token       string
	AlexaUserID string // whose Token is; it changes when the skill is disabled and enabled; empty: not in the request
	Locale      string // such as de-DE; empty: not in the request
	SkillID     string // amzn1.ask.skill.…; empty: not in the request

	Kind Kind
	Type string // of a custom skill, such as IntentRequest; else namespace and name, such as Alexa.Discovery.Discover

	correlationToken, endpointID string // of a smart home skill
}

// Kind is the kind of skill that a request was sent to.
type Kind string

// Kinds of skills.
const (
	Custom    Kind = "custom"
	SmartHome Kind = "smart home" // also video
	Music     Kind = "music"
)

// ParseRequest reads a request of Alexa to a custom, smart home or music skill. An error means that it is none of
// these; then nothing is known about the link. It contains nothing of the body.
func ParseRequest(data []byte) (*Request, error) {
	var request *Request
	r := readObject(data)
	switch {
	case r.text("directive", "header", "namespace") != "":
		request = r.smartHome()
	case r.text("header", "namespace") != "":
		request = r.music()
	case r.text("request", "type") != "":
		request = r.custom()
	case r.err == nil:
		r.err = errors.New("it has neither request.type nor a directive")
	}
	if r.err != nil {
		return nil, fmt.Errorf("lookup: the body is not a request of Alexa: %w", r.err)
	}
	return request, nil
}

// custom reads a request whose session has what the context has, but of the account only. The id of the Alexa user is
// that of the account, so it does not belong to the token of another person who is recognized.
func (r *reader) custom() *Request {
	account := first(r.text("context", "System", "user", "accessToken"), r.text("session", "user", "accessToken"))
	token := first(r.text("context", "System", "person", "accessToken"), account)
	alexaUserID := first(r.text("context", "System", "user", "userId"), r.text("session", "user", "userId"))
	if token != account {
		alexaUserID = ""
	}
	return &Request{
		Kind: Custom, Type: r.text("request", "type"), Locale: r.text("request", "locale"),
		Token: token, AlexaUserID: alexaUserID,
		SkillID: first(r.text("context", "System", "application", "applicationId"),
			r.text("session", "application", "applicationId")),
	}
}

func (r *reader) smartHome() *Request {
	return &Request{
		Kind: SmartHome, Type: r.text("directive", "header", "namespace") + "." + r.text("directive", "header", "name"),
		Token: first(r.text("directive", "endpoint", "scope", "token"), r.text("directive", "payload", "scope", "token"),
			r.text("directive", "payload", "grantee", "token")),
		correlationToken: r.text("directive", "header", "correlationToken"),
		endpointID:       r.text("directive", "endpoint", "endpointId"),
	}
}

func (r *reader) music() *Request {
	return &Request{
		Kind: Music, Type: r.text("header", "namespace") + "." + r.text("header", "name"),
		Token:       r.text("payload", "requestContext", "user", "accessToken"),
		AlexaUserID: r.text("payload", "requestContext", "user", "userId"),
	}
}

// isSpoken reports whether Alexa speaks the response to a request of a custom skill. It does not after the end of a
// session, at events, during playback, or while it asks whether the skill could answer.
func (r *Request) isSpoken() bool {
	silent := []string{"SessionEndedRequest", "CanFulfillIntentRequest", "System.ExceptionEncountered", "AudioPlayer.",
		"PlaybackController.", "AlexaSkillEvent.", "AlexaHouseholdListEvent.", "Reminders.", "Messaging."}
	return r.Kind == Custom && !slices.ContainsFunc(silent, func(prefix string) bool {
		return strings.HasPrefix(r.Type, prefix)
	})
}

// first returns the first text that is not empty, or "".
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
