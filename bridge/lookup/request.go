package lookup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Request is what this package reads of a request that Alexa sends to a skill.
type Request struct {
	// Token is the access token; empty: the account is not linked. In a custom skill with personalization it belongs to
	// the person whose voice Alexa recognized, if that one has linked, and else to the account.
	Token       string
	AlexaUserID string // of the account; it changes when the skill is disabled and enabled; empty: not in the request
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

// body is where the kinds of skills have what [Request] has.
type body struct {
	Context *struct {
		System struct {
			Application struct {
				ApplicationID string `json:"applicationId"`
			} `json:"application"`
			Person holder `json:"person"`
			User   holder `json:"user"`
		} `json:"System"`
	} `json:"context"`
	Session *struct {
		Application struct {
			ApplicationID string `json:"applicationId"`
		} `json:"application"`
		User holder `json:"user"`
	} `json:"session"`
	Request *struct {
		Type   string `json:"type"`
		Locale string `json:"locale"`
	} `json:"request"`

	Directive *struct {
		Header   header `json:"header"`
		Endpoint struct {
			EndpointID string `json:"endpointId"`
			Scope      scope  `json:"scope"`
		} `json:"endpoint"`
		Payload struct {
			Scope   scope `json:"scope"`
			Grantee scope `json:"grantee"`
		} `json:"payload"`
	} `json:"directive"`

	Header  *header `json:"header"`
	Payload struct {
		RequestContext struct {
			User holder `json:"user"`
		} `json:"requestContext"`
	} `json:"payload"`
}

// holder is a user or a person of a custom skill.
type holder struct {
	UserID      string `json:"userId"`
	AccessToken string `json:"accessToken"`
}

type scope struct {
	Token string `json:"token"`
}

type header struct {
	Namespace        string `json:"namespace"`
	Name             string `json:"name"`
	CorrelationToken string `json:"correlationToken"`
}

// ParseRequest reads a request of Alexa to a custom, smart home or music skill. An error means that it is none of
// these; then nothing is known about the link.
func ParseRequest(data []byte) (*Request, error) {
	var b body
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("lookup: the body is not a request of Alexa: %w", err)
	}
	switch {
	case b.Directive != nil && b.Directive.Header.Namespace != "":
		return b.smartHome(), nil
	case b.Header != nil && b.Header.Namespace != "":
		return b.music(), nil
	case b.Request != nil && b.Request.Type != "":
		return b.custom(), nil
	}
	return nil, fmt.Errorf("lookup: the body is not a request of Alexa: it has neither request.type nor a directive")
}

func (b *body) custom() *Request {
	r := &Request{Kind: Custom, Type: b.Request.Type, Locale: b.Request.Locale}
	if b.Context != nil {
		system := b.Context.System
		r.Token = first(system.Person.AccessToken, system.User.AccessToken)
		r.AlexaUserID, r.SkillID = system.User.UserID, system.Application.ApplicationID
	}
	if b.Session != nil { // has what the context has, but of the account only
		r.Token = first(r.Token, b.Session.User.AccessToken)
		r.AlexaUserID = first(r.AlexaUserID, b.Session.User.UserID)
		r.SkillID = first(r.SkillID, b.Session.Application.ApplicationID)
	}
	return r
}

func (b *body) smartHome() *Request {
	d := b.Directive
	return &Request{
		Kind: SmartHome, Type: d.Header.Namespace + "." + d.Header.Name,
		Token:            first(d.Endpoint.Scope.Token, d.Payload.Scope.Token, d.Payload.Grantee.Token),
		correlationToken: d.Header.CorrelationToken, endpointID: d.Endpoint.EndpointID,
	}
}

func (b *body) music() *Request {
	user := b.Payload.RequestContext.User
	return &Request{
		Kind: Music, Type: b.Header.Namespace + "." + b.Header.Name, Token: user.AccessToken, AlexaUserID: user.UserID,
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
