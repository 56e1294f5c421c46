package simulator

import (
	"crypto/rand"
	"encoding/json"
	"time"
)

// LaunchRequest returns the body of the request that Alexa sends when a person opens a custom skill. Without a token it
// is that of a person who has not linked.
func LaunchRequest(skillID, accessToken string, at time.Time) ([]byte, error) {
	application := map[string]string{"applicationId": skillID}
	user := map[string]string{"userId": "amzn1.ask.account.SIMULATED"}
	if accessToken != "" {
		user["accessToken"] = accessToken
	}
	return json.Marshal(map[string]any{
		"version": "1.0",
		"session": map[string]any{
			"new": true, "sessionId": "amzn1.echo-api.session." + rand.Text(), "application": application, "user": user,
		},
		"context": map[string]any{"System": map[string]any{
			"application": application, "user": user, "apiEndpoint": "https://api.amazonalexa.com",
		}},
		"request": map[string]any{
			"type": "LaunchRequest", "requestId": "amzn1.echo-api.request." + rand.Text(),
			"timestamp": at.UTC().Format(time.RFC3339), "locale": "en-US",
		},
	})
}
