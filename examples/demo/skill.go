package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/lookup"
)

const (
	// maxRequest is more than Alexa ever sends to a skill.
	maxRequest = 128 << 10
	// lookUpWithin leaves the skill time to answer within the 8 seconds that Alexa waits.
	lookUpWithin = 3 * time.Second
)

// skill is the backend of a custom skill. A real one also verifies Alexa's signature, which Amazon's SDKs do.
type skill struct {
	name     string
	lookup   *lookup.Client
	skillIDs []string // whose requests it takes
}

// ServeHTTP answers a request of Alexa's.
func (s *skill) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request intentRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
		http.Error(w, "not a request of Alexa's", http.StatusBadRequest)
		return
	}
	system := request.Context.System
	if !slices.Contains(s.skillIDs, system.Application.ApplicationID) {
		http.Error(w, "a request for another skill", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookUpWithin)
	defer cancel()
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	json.NewEncoder(w).Encode(s.answer(ctx, system.User.AccessToken))
}

// answer is the whole of what a skill has to do with the bridge: three outcomes, three answers.
func (s *skill) answer(ctx context.Context, token string) skillResponse {
	if token == "" {
		return s.linkAccount()
	}
	person, err := s.lookup.Lookup(ctx, token)
	switch {
	case err != nil: // the bridge cannot tell now, which says nothing about the link
		return say(s.name+" is not available right now. Please try again later.", "")
	case !person.Active:
		return s.linkAccount()
	}
	return say(strings.TrimSpace("Hello "+firstName(person.Claims)), "")
}

func (s *skill) linkAccount() skillResponse {
	return say(linkAccountSpeech(s.name), cardLinkAccount)
}

func linkAccountSpeech(name string) string {
	return "To use " + name + ", please link your account in the Alexa app."
}

// firstName is the given name, or the first word of the name, or empty.
func firstName(claims map[string]any) string {
	if given, _ := claims["given_name"].(string); given != "" {
		return given
	}
	name, _ := claims["name"].(string)
	first, _, _ := strings.Cut(name, " ")
	return first
}

func say(text, cardType string) skillResponse {
	response := skillResponse{Version: "1.0"}
	response.Response.OutputSpeech = outputSpeech{Type: "PlainText", Text: text}
	response.Response.ShouldEndSession = true
	if cardType != "" {
		response.Response.Card = &card{cardType}
	}
	return response
}
