package lookup_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/lookup"
)

func TestMiddleware(t *testing.T) {
	bridge := &fakeBridge{respond: func(token string) (int, string) {
		switch token {
		case "ada":
			return 200, personJSON("ada", 0)
		case "ended":
			return 200, `{"active":false}`
		}
		return 503, ""
	}}
	client := bridge.client()
	client.Texts = func(locale string) lookup.Texts {
		if strings.HasPrefix(locale, "de") {
			return lookup.Texts{NotLinked: "Bitte verknüpfe dein Konto in der Alexa-App."}
		}
		return lookup.Texts{}
	}
	skill := client.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), "request") {
			t.Errorf("the body is %q, %v", body, err)
		}
		if person := lookup.PersonFromContext(r.Context()); person != nil {
			io.WriteString(w, "Hello "+person.Subject)
		}
	}))
	custom := func(kind, token string) string {
		return `{"request":{"type":"` + kind + `","locale":"de-DE"},` +
			`"context":{"System":{"user":{"accessToken":"` + token + `"}}}}`
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"linked", custom("LaunchRequest", "ada"), 200, "Hello ada"},
		{"ended", custom("IntentRequest", "ended"), 200, "LinkAccount"},
		{"ended, in the language of the person", custom("IntentRequest", "ended"), 200, "Bitte verknüpfe"},
		{"not linked", custom("IntentRequest", ""), 200, "LinkAccount"},
		{"nothing is known", custom("IntentRequest", "outage"), 200, "try again later"},
		{"end of the session of someone who is not linked", custom("SessionEndedRequest", ""), 200, ""},
		{"end of the session during an outage", custom("SessionEndedRequest", "outage"), 200, ""},
		{"smart home",
			`{"directive":{"header":{"namespace":"Alexa","name":"ReportState"},"endpoint":{"scope":{"token":"ended"}}}}`,
			200, "INVALID_AUTHORIZATION_CREDENTIAL"},
		{"smart home, nothing is known",
			`{"directive":{"header":{"namespace":"Alexa","name":"ReportState"},"endpoint":{"scope":{"token":"outage"}}}}`,
			200, "INTERNAL_ERROR"},
		{"not of Alexa", `{"hello":"world"}`, 400, "not a request of Alexa"},
		{"too large", strings.Repeat(" ", 1<<20) + custom("LaunchRequest", "ada"), 400, "too large"},
	} {
		w := httptest.NewRecorder()
		skill.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(tt.body)))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || tt.want == "" && w.Body.Len() != 0 {
			t.Errorf("%s: status %d, %s", tt.name, w.Code, w.Body)
		}
		if tt.want == "try again later" && strings.Contains(w.Body.String(), "LinkAccount") {
			t.Errorf("%s: asks to link: %s", tt.name, w.Body)
		}
	}
}

func TestPersonFromContextOfAnotherRequest(t *testing.T) {
	person := lookup.PersonFromContext(t.Context())
	if person != nil || person.Key() != "" || person.Claim("name") != "" {
		t.Errorf("%+v", person)
	}
}
