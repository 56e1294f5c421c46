package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// TestSendEvent sends an event to what accepts it, and to what does not.
func TestSendEvent(t *testing.T) {
	t.Parallel()
	signer, status, sent := newSigner(t), 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Signature-256") == "" || string(body) != sent {
			t.Errorf("%s, %v, %v", body, r.Header, err)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	event, err := simulator.SkillDisabled("amzn1.ask.skill.1", "amzn1.ask.account.A", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sent = string(event)
	skill := simulator.Skill{Endpoint: server.URL, Signer: signer}
	for code, want := range map[int]string{200: "", 204: "", 400: "status 400", 503: "status 503"} {
		status = code
		if err := skill.SendEvent(t.Context(), event); (err == nil) != (want == "") ||
			err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// TestSkill opens skills that answer in different ways.
func TestSkill(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	var answer func(w http.ResponseWriter, token string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Context struct {
				System struct {
					Application struct{ ApplicationID string }
					User        struct{ AccessToken string }
				}
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Signature-256") == "" ||
			body.Context.System.Application.ApplicationID != "amzn1.ask.skill.1" {
			t.Errorf("%+v, %v, %v", body, r.Header, err)
		}
		answer(w, body.Context.System.User.AccessToken)
	}))
	defer server.Close()
	skill := simulator.Skill{Endpoint: server.URL, ID: "amzn1.ask.skill.1", Signer: signer}
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, token string)
		want   simulator.Reply
		err    string
	}{
		{"speaks", func(w http.ResponseWriter, token string) {
			fmt.Fprintf(w, `{"response":{"outputSpeech":{"type":"PlainText","text":"Hello %s"}}}`, token)
		}, simulator.Reply{Speech: "Hello Ada"}, ""},
		{"asks to link", func(w http.ResponseWriter, _ string) {
			fmt.Fprint(w, `{"response":{"outputSpeech":{"ssml":"<speak>Link</speak>"},"card":{"type":"LinkAccount"}}}`)
		}, simulator.Reply{Speech: "<speak>Link</speak>", Card: "LinkAccount"}, ""},
		{"refuses", func(w http.ResponseWriter, _ string) { w.WriteHeader(400) }, simulator.Reply{}, "status 400"},
		{"is a page", func(w http.ResponseWriter, _ string) { fmt.Fprint(w, "<p>") }, simulator.Reply{}, "not the JSON"},
	} {
		answer = tt.answer
		reply, err := skill.Launch(t.Context(), "Ada")
		if reply != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %+v, %v", tt.name, reply, err)
		}
	}
	server.Close()
	if _, err := skill.Launch(t.Context(), "Ada"); err == nil || !strings.Contains(err.Error(), "does not respond") {
		t.Errorf("no skill: %v", err)
	}
}
