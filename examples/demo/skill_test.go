package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/lookup"
)

const testToken = "a token"

// askSkill sends a request to a skill whose bridge responds to every lookup with that status and body.
func askSkill(t *testing.T, request any, status int, body string) *httptest.ResponseRecorder {
	t.Helper()
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "id" || secret != "secret" || r.PostFormValue("token") != testToken {
			t.Errorf("looked up %q as %q", r.PostFormValue("token"), id)
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer bridge.Close()
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	verifier := &alexa.Verifier{SkillIDs: []string{alexaSkillID}, Roots: signer.Roots(), Transport: signer.Transport()}
	s := newSkill(verifier, &lookup.Client{Endpoint: bridge.URL, ID: "id", Secret: "secret"}, skillName)
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	asked := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(text)))
	asked.Header = signed
	s.ServeHTTP(recorder, asked)
	return recorder
}

func TestSkillAnswers(t *testing.T) {
	const unavailable = "Contoso Pizza is not available right now. Please try again later."
	const active = `{"active":true,"sub":"a2b4c6","upstream_iss":"https://idp.example","claims":`
	for _, test := range []struct {
		name, token string
		status      int
		body        string
		speech      string
		card        string
	}{
		{"given name", testToken, 200, active + `{"given_name":"Ada Augusta","name":"A. A. Lovelace"}}`,
			"Hello Ada Augusta", ""},
		{"name", testToken, 200, active + `{"name":"Ada Lovelace"}}`, "Hello Ada", ""},
		{"name of one word", testToken, 200, active + `{"name":"Ada"}}`, "Hello Ada", ""},
		{"no name", testToken, 200, active + `{}}`, "Hello", ""},
		{"not linked", "", 200, `{"active":true}`, linkAccountSpeech(skillName), cardLinkAccount},
		{"ended", testToken, 200, `{"active":false}`, linkAccountSpeech(skillName), cardLinkAccount},
		{"cannot tell now", testToken, 503, `{"error":"temporarily_unavailable"}`, unavailable, ""},
		{"refused", testToken, 401, `{"error":"invalid_client"}`, unavailable, ""},
		{"not a bridge", testToken, 200, `<html>`, unavailable, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			recorder := askSkill(t, newIntentRequest(account{UserID: "user", Token: test.token}), test.status, test.body)
			var got skillResponse
			if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if got.Response.OutputSpeech.Text != test.speech {
				t.Errorf("says %q, want %q", got.Response.OutputSpeech.Text, test.speech)
			}
			cardType := ""
			if got.Response.Card != nil {
				cardType = got.Response.Card.Type
			}
			if cardType != test.card {
				t.Errorf("card %q, want %q", cardType, test.card)
			}
		})
	}
}

func TestSkillRefuses(t *testing.T) {
	other := newIntentRequest(account{Token: testToken})
	other.Context.System.Application.ApplicationID = "amzn1.ask.skill.another"
	for _, test := range []struct {
		name    string
		request any
	}{
		{"another skill's", other},
		{"not an object", "hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if recorder := askSkill(t, test.request, 200, `{"active":true}`); recorder.Code != http.StatusBadRequest {
				t.Errorf("status %d, want 400", recorder.Code)
			}
		})
	}
}
