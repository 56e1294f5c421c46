package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/lookup"
)

type skill struct {
	id     string // amzn1.ask.skill.…
	client *lookup.Client
}

// respond responds to a request of Alexa. It is the handler of Lambda, which only the skill's trigger may call.
func (s *skill) respond(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
	request, err := lookup.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	if request.SkillID != s.id {
		return nil, errors.New("the request is for another skill than SKILL_ID")
	}
	if request.IsEvent() { // that the skill was linked or disabled concerns the bridge
		if err := s.client.ForwardEvent(ctx, body); err != nil {
			return nil, err
		}
		return json.RawMessage(`{"version":"1.0","response":{}}`), nil
	}
	person, err := s.client.Lookup(ctx, request)
	if err != nil {
		if !errors.Is(err, lookup.ErrNotLinked) {
			log.Print(err)
		}
		return s.client.ErrorResponse(request, err), nil
	}
	return greet(request, person)
}

// greet is what the skill does for a person whom it knows. Only launches and intents may be answered by speech.
func greet(request *lookup.Request, person *lookup.Person) (json.RawMessage, error) {
	response := map[string]any{}
	if request.Type == "LaunchRequest" || request.Type == "IntentRequest" {
		response["outputSpeech"] = map[string]string{"type": "PlainText", "text": "Hello " + person.Claim("given_name")}
		response["shouldEndSession"] = true
	}
	return json.Marshal(map[string]any{"version": "1.0", "response": response})
}

// handler serves the skill over HTTP, to nobody but Alexa.
func (s *skill) handler(verifier *alexa.Verifier) http.Handler {
	return verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // the verifier has bounded it
		if err == nil {
			body, err = s.respond(r.Context(), body)
		}
		switch {
		case errors.Is(err, lookup.ErrUnavailable): // of an event, which Alexa sends again
			http.Error(w, "The event could not be forwarded.", http.StatusServiceUnavailable)
			return
		case err != nil:
			http.Error(w, fmt.Sprint("This cannot be answered: ", err), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.Write(body)
	}))
}
