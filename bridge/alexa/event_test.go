package alexa_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

func linkedEvent(t testing.TB, changes ...string) string {
	t.Helper()
	body, err := simulator.AccountLinked(skillID, "amzn1.ask.account.A", "the-token", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(changes...).Replace(string(body))
	if len(changes) > 0 && changed == string(body) {
		t.Fatalf("%q changes nothing in %s", changes, body)
	}
	return changed
}

const (
	created   = `"eventCreationTime":"2026-11-29T12:00:00Z"`
	timestamp = `"timestamp":"2026-11-29T12:00:00Z"`
)

func TestParseEvent(t *testing.T) {
	disabled, err := simulator.SkillDisabled(skillID, "amzn1.ask.account.A", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	want := alexa.Event{Type: alexa.SkillAccountLinked, SkillID: skillID, UserID: "amzn1.ask.account.A",
		AccessToken: "the-token", CreatedAt: signedAt, SentAt: signedAt}
	changed := func(change func(*alexa.Event)) alexa.Event {
		event := want
		change(&event)
		return event
	}
	for name, tt := range map[string]struct {
		body string
		want alexa.Event
	}{
		"usual": {linkedEvent(t), want},
		"disabled": {string(disabled), changed(func(e *alexa.Event) {
			e.Type, e.AccessToken = alexa.SkillDisabled, ""
		})},
		"a new kind": {linkedEvent(t, "SkillAccountLinked", "SkillRenamed"),
			changed(func(e *alexa.Event) { e.Type = "AlexaSkillEvent.SkillRenamed" })},
		"the token of the account only": {linkedEvent(t, `"body":{"accessToken":"the-token"}`, `"body":{}`), want},
		"no body":                       {linkedEvent(t, `"body"`, `"other"`), want},
		"two tokens": {linkedEvent(t, `"body":{"accessToken":"the-token"}`, `"body":{"accessToken":"another"}`),
			changed(func(e *alexa.Event) { e.AccessToken = "another" })},
		"milliseconds":      {linkedEvent(t, created, `"eventCreationTime":1795953600000`), want},
		"seconds":           {linkedEvent(t, created, `"eventCreationTime":1795953600`), want},
		"an older spelling": {linkedEvent(t, `"timestamp"`, `"timeStamp"`), want},
		"null": {linkedEvent(t, created, `"eventCreationTime":null`),
			changed(func(e *alexa.Event) { e.CreatedAt = time.Time{} })},
		"another time zone":  {linkedEvent(t, created, `"eventCreationTime":"2026-11-29T13:00:00+01:00"`), want},
		"further values":     {linkedEvent(t, `"version":"1.0"`, `"version":7,"x":[{"request":null}]`), want},
		"of equal, the last": {linkedEvent(t, `"userId":`, `"userId":"amzn1.ask.account.B","userId":`), want},
	} {
		got, err := alexa.ParseEvent([]byte(tt.body))
		if !strings.HasPrefix(got.ID, "amzn1.echo-api.request.") {
			t.Errorf("%s: id %q", name, got.ID)
		}
		got.ID, got.CreatedAt, got.SentAt = "", got.CreatedAt.UTC(), got.SentAt.UTC()
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
}

func TestParseEventRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		body     string
		notEvent bool
	}{
		"somebody speaks":     {requestBody(), true},
		"a prefix":            {linkedEvent(t, "AlexaSkillEvent.", "AlexaSkillEvents."), true},
		"in small letters":    {linkedEvent(t, "AlexaSkillEvent.", "alexaskillevent."), true},
		"no type":             {linkedEvent(t, `"type"`, `"kind"`), false},
		"an empty object":     {"{}", false},
		"a list":              {"[]", false},
		"null":                {"null", false},
		"not JSON":            {"{", false},
		"two values":          {linkedEvent(t) + "{}", false},
		"no requestId":        {linkedEvent(t, `"requestId"`, `"RequestId"`), false},
		"no skill":            {linkedEvent(t, `"applicationId"`, `"applicationID"`), false},
		"a user that is none": {linkedEvent(t, `"userId":"amzn1.ask.account.A"`, `"userId":{}`), false},
		"a token that is a number": {linkedEvent(t, `"body":{"accessToken":"the-token"}`, `"body":{"accessToken":7}`),
			false},
		"a body that is text":        {linkedEvent(t, `"body":{"accessToken":"the-token"}`, `"body":"x"`), false},
		"a time that is none":        {linkedEvent(t, created, `"eventCreationTime":"yesterday"`), false},
		"a time without a zone":      {linkedEvent(t, created, `"eventCreationTime":"2026-11-29T12:00:00"`), false},
		"a time before all":          {linkedEvent(t, created, `"eventCreationTime":-1`), false},
		"a time before 1970":         {linkedEvent(t, created, `"eventCreationTime":"1969-12-31T23:59:59Z"`), false},
		"a time after all":           {linkedEvent(t, created, `"eventCreationTime":1e300`), false},
		"a time that is true":        {linkedEvent(t, created, `"eventCreationTime":true`), false},
		"a timestamp that is a list": {linkedEvent(t, timestamp, `"timestamp":[]`), false},
	} {
		event, err := alexa.ParseEvent([]byte(tt.body))
		if err == nil || errors.Is(err, alexa.ErrNotEvent) != tt.notEvent || event != (alexa.Event{}) {
			t.Errorf("%s: %+v, %v", name, event, err)
		}
		if err != nil && strings.Contains(err.Error(), "amzn1.ask") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is an event names its skill, which is the one that the verifier judges.
func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(linkedEvent(f)))
	f.Add([]byte(linkedEvent(f, created, `"eventCreationTime":1795953600000.5`)))
	f.Add([]byte(linkedEvent(f, `"applicationId":"amzn1`, `"applicationId":"x","applicationId":"amzn1`)))
	f.Add([]byte(requestBody()))
	f.Add([]byte(`{"request":{"type":"AlexaSkillEvent.X","requestId":"\ud800"},"context":[]}`))
	verifier := &alexa.Verifier{SkillIDs: []string{skillID}, Now: func() time.Time { return signedAt }}
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := alexa.ParseEvent(body)
		if err != nil {
			if event != (alexa.Event{}) {
				t.Errorf("%q: %+v with %v", body, event, err)
			}
			return
		}
		if !json.Valid(body) || event.ID == "" || event.SkillID == "" || !strings.HasPrefix(event.Type, "AlexaSkillEvent.") {
			t.Errorf("%q: %+v", body, event)
		}
		if verifier.CheckBody(body) == nil && event.SkillID != skillID {
			t.Errorf("%q is accepted for %q", body, event.SkillID)
		}
	})
}

// CheckBody checks all but the signature.
func TestCheckBody(t *testing.T) {
	verifier := &alexa.Verifier{SkillIDs: []string{skillID}, Now: func() time.Time { return signedAt }}
	if err := verifier.CheckBody([]byte(linkedEvent(t))); err != nil {
		t.Error(err)
	}
	late := linkedEvent(t, timestamp, `"timestamp":"2026-11-29T10:59:59Z"`)
	wantRefused(t, "late", verifier.CheckBody([]byte(late)), "old")
	another := verifier.CheckBody([]byte(linkedEvent(t, skillID, "amzn1.ask.skill.2")))
	wantRefused(t, "another skill", another, "another skill")
	if !errors.Is(another, alexa.ErrOtherSkill) {
		t.Errorf("another skill: %v", another)
	}
	if err := new(alexa.Verifier).CheckBody([]byte(linkedEvent(t))); err == nil || errors.Is(err, alexa.ErrNotFromAlexa) {
		t.Errorf("without SkillIDs: %v", err)
	}
}
