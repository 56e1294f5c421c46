package main

import (
	"encoding/json"
	"net/http"
	"strings"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/lookup"
)

// newSkill returns the backend of a custom skill. A real one differs in the verifier: its zero Roots and Transport are
// those for Amazon.
func newSkill(verifier *alexa.Verifier, client *lookup.Client, name string) http.Handler {
	client.Texts = func(string) lookup.Texts {
		return lookup.Texts{
			NotLinked:   linkAccountSpeech(name),
			Unavailable: name + " is not available right now. Please try again later.",
		}
	}
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person := lookup.PersonFromContext(r.Context())
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		json.NewEncoder(w).Encode(say(strings.TrimSpace("Hello " + firstName(person))))
	})
	return verifier.Middleware(client.Middleware(greet))
}

func linkAccountSpeech(name string) string {
	return "To use " + name + ", please link your account in the Alexa app."
}

// firstName returns the given name, or the first word of the name, or "".
func firstName(person *lookup.Person) string {
	if given := person.Claim("given_name"); given != "" {
		return given
	}
	first, _, _ := strings.Cut(person.Claim("name"), " ")
	return first
}

func say(text string) skillResponse {
	response := skillResponse{Version: "1.0"}
	response.Response.OutputSpeech = outputSpeech{Type: "PlainText", Text: text}
	response.Response.ShouldEndSession = true
	return response
}
