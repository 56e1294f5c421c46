package simulator

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// skillTimeout is how long Alexa waits for a skill.
const skillTimeout = 8 * time.Second

// Skill is a custom skill that is served over HTTP.
type Skill struct {
	Endpoint string
	ID       string       // amzn1.ask.skill.…
	Signer   *Signer      // nil: requests are not signed
	Client   *http.Client // whose redirects are not followed; nil: http.DefaultClient
}

// Reply is what a skill answered.
type Reply struct {
	Speech string // the text or the SSML
	Card   string // the type of the card, such as LinkAccount; empty: none
}

// Launch sends the request that Alexa sends when a person opens the skill; see [LaunchRequest].
func (s Skill) Launch(ctx context.Context, accessToken string) (Reply, error) {
	body, err := LaunchRequest(s.ID, accessToken, time.Now())
	if err != nil {
		return Reply{}, err
	}
	response, err := s.send(ctx, body)
	if err != nil {
		return Reply{}, err
	}
	defer response.Body.Close()
	return parseReply(response)
}

// send sends a request, signed if there is a Signer. It returns the response of any status.
func (s Skill) send(ctx context.Context, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if s.Signer != nil {
		signature, err := s.Signer.Sign(body)
		if err != nil {
			return nil, err
		}
		maps.Copy(request.Header, signature)
	}
	request.Header.Set("Content-Type", "application/json;charset=utf-8")
	client := http.Client{}
	if s.Client != nil {
		client = *s.Client
	}
	client.Timeout = skillTimeout
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // with the token
	response, err := client.Do(request)
	if urlError, ok := errors.AsType[*url.Error](err); ok { // without the URL, which may hold a key
		err = fmt.Errorf("%s: %w", request.URL.Host, urlError.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("the skill does not respond: %w", err)
	}
	return response, nil
}

func parseReply(response *http.Response) (Reply, error) {
	var envelope struct {
		Response struct {
			OutputSpeech struct {
				Text string `json:"text"`
				SSML string `json:"ssml"`
			} `json:"outputSpeech"`
			Card struct {
				Type string `json:"type"`
			} `json:"card"`
		} `json:"response"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	switch {
	case err != nil:
		return Reply{}, fmt.Errorf("the response of the skill ends early: %w", err)
	case response.StatusCode != http.StatusOK:
		return Reply{}, fmt.Errorf("the skill answers with status %d", response.StatusCode)
	case json.Unmarshal(body, &envelope) != nil:
		return Reply{}, errors.New("the response of the skill is not the JSON that Alexa wants")
	}
	said := envelope.Response.OutputSpeech
	return Reply{Speech: said.Text + said.SSML, Card: envelope.Response.Card.Type}, nil
}

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
