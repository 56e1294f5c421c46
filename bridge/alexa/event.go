package alexa

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// Types of the skill events that tell of account linking.
const (
	SkillAccountLinked = eventPrefix + "SkillAccountLinked" // a person has linked an account
	SkillDisabled      = eventPrefix + "SkillDisabled"      // a person has disabled the skill: Alexa deleted its tokens

	eventPrefix = "AlexaSkillEvent."
)

// ErrNotEvent is the error of [ParseEvent] for a request of another kind, such as one that a person spoke.
var ErrNotEvent = errors.New("alexa: the request is not a skill event")

// Event is a skill event, which Alexa sends outside of a session to a skill that has subscribed to it.
type Event struct {
	Type    string // such as SkillDisabled; others are left out if nobody subscribed to them
	ID      string // the requestId: of an event that is delivered again it is the same
	SkillID string // amzn1.ask.skill.…
	// UserID is the Alexa account. Another skill knows the account by another id, and so does this one when the account
	// has disabled and enabled it again. Empty: not in the event.
	UserID string
	// AccessToken is the one that a SkillAccountLinked is about. In other events it is that of the account. Empty: not in
	// the event.
	AccessToken string

	CreatedAt time.Time // when it happened, the eventCreationTime; zero: not in the event
	SentAt    time.Time // when it was sent; zero: not in the event
}

// ParseEvent reads a skill event. It does not verify that Alexa sent it; see [Verifier]. What says whom an event is
// about must be as Alexa writes it. A time may also be a number, and timestamp may be spelled timeStamp, as in older
// samples. Errors contain nothing of the body.
func ParseEvent(body []byte) (Event, error) {
	var e envelope
	if json.Unmarshal(body, &e.root) != nil {
		return Event{}, errors.New("alexa: the body is not JSON")
	}
	event := Event{
		Type:    e.text("request", "type"),
		ID:      e.text("request", "requestId"),
		SkillID: e.text("context", "System", "application", "applicationId"),
		UserID:  e.text("context", "System", "user", "userId"),

		CreatedAt: e.time("request", "eventCreationTime"),
		SentAt:    e.time("request", "timestamp"),
	}
	if event.SentAt.IsZero() {
		event.SentAt = e.time("request", "timeStamp")
	}
	event.AccessToken = e.text("request", "body", "accessToken")
	if event.AccessToken == "" {
		event.AccessToken = e.text("context", "System", "user", "accessToken")
	}
	switch {
	case !strings.HasPrefix(event.Type, eventPrefix) && event.Type != "":
		return Event{}, ErrNotEvent
	case e.malformed:
		return Event{}, errors.New("alexa: a value of the event is of another type than Alexa sends")
	case event.Type == "" || event.ID == "" || event.SkillID == "":
		return Event{}, errors.New("alexa: the event lacks its type, requestId or applicationId")
	}
	return event, nil
}

// time returns the time at a path of names: a text in the format of RFC 3339, or a number of seconds or milliseconds
// since 1970. It is zero if it is absent or null. No event is from before 1970: no link that lives then could be
// exported.
func (e *envelope) time(path ...string) time.Time {
	switch value := e.value(path...).(type) {
	case nil:
		return time.Time{}
	case string:
		parsed, err := time.Parse(time.RFC3339, value)
		if err == nil && parsed.Unix() > 0 {
			return parsed
		}
	case float64:
		if value > 0 && value < maxMilliseconds {
			return timeOf(value)
		}
	}
	e.malformed = true
	return time.Time{}
}

const (
	minMilliseconds = 1e11 // smaller numbers are seconds: of before the year 5138
	maxMilliseconds = 1e14
)

func timeOf(number float64) time.Time {
	if number < minMilliseconds {
		number *= 1000
	}
	return time.UnixMilli(int64(math.Floor(number))).UTC()
}
