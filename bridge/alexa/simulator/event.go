package simulator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// AccountLinked returns the body of the event that Alexa sends when a person has linked an account: by which access
// token a user, amzn1.ask.account.…, speaks from then on.
func AccountLinked(skillID, userID, accessToken string, at time.Time) ([]byte, error) {
	user := map[string]string{"userId": userID, "accessToken": accessToken}
	return event("SkillAccountLinked", skillID, user, map[string]string{"accessToken": accessToken}, at)
}

// SkillDisabled returns the body of the event that Alexa sends when a user has disabled the skill. It has no token.
// When the person enables the skill again, Alexa calls them by another user id.
func SkillDisabled(skillID, userID string, at time.Time) ([]byte, error) {
	user := map[string]string{"userId": userID}
	body := map[string]string{"userInformationPersistenceStatus": "NOT_PERSISTED"}
	return event("SkillDisabled", skillID, user, body, at)
}

func event(name, skillID string, user, body map[string]string, at time.Time) ([]byte, error) {
	when := at.UTC().Format(time.RFC3339)
	return json.Marshal(map[string]any{
		"version": "1.0",
		"context": map[string]any{"System": map[string]any{
			"application": map[string]string{"applicationId": skillID}, "user": user,
			"apiEndpoint": "https://api.amazonalexa.com",
		}},
		"request": map[string]any{
			"type": "AlexaSkillEvent." + name, "requestId": "amzn1.echo-api.request." + rand.Text(), "timestamp": when,
			"eventCreationTime": when, "eventPublishingTime": when, "body": body,
		},
	})
}

// SendEvent sends an event to the skill, at the Endpoint where it receives events. The error says that the event was
// not accepted: Alexa would send it again.
func (s Skill) SendEvent(ctx context.Context, event []byte) error {
	response, err := s.send(ctx, event)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the event is answered with status %d", response.StatusCode)
	}
	return nil
}
