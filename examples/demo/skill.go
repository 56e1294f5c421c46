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
	// maxRequest is the largest request that is read, in bytes. Alexa sends less.
	maxRequest = 128 << 10
	// lookupTimeout leaves time to respond within the 8 seconds that Alexa waits.
	lookupTimeout = 3 * time.Second
)

// skill is the backend of a custom skill. A real one must also verify Alexa's signature, as Amazon's SDKs do.
type skill struct {
	name     string
	lookup   *lookup.Client
	skillIDs []string // other requests are rejected
}

// ServeHTTP handles a request of Alexa.
func (s *skill) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request intentRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
		http.Error(w, "not a request of Alexa", http.StatusBadRequest)
		return
	}
	system := request.Context.System
	if !slices.Contains(s.skillIDs, system.Application.ApplicationID) {
		http.Error(w, "a request for another skill", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookupTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	json.NewEncoder(w).Encode(s.respond(ctx, system.User.AccessToken))
}

// respond is all that a skill has to do with the bridge: three outcomes of the lookup, three responses.
func (s *skill) respond(ctx context.Context, token string) skillResponse {
	if token == "" {
		return s.linkAccount()
	}
	person, err := s.lookup.Lookup(ctx, token)
	switch {
	case err != nil: // nothing is known about the link
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

// firstName returns the given name, or the first word of the name, or "".
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
