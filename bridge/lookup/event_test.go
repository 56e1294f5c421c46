package lookup_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/lookup"
)

const disabledEvent = `{"version":"1.0","request":{"type":"AlexaSkillEvent.SkillDisabled","requestId":"the-request"}}`

func TestIsEvent(t *testing.T) {
	for body, want := range map[string]bool{
		disabledEvent: true, strings.Replace(disabledEvent, "AlexaSkillEvent.", "AlexaHouseholdListEvent.", 1): false,
		`{"request":{"type":"LaunchRequest"}}`:                                            false,
		`{"directive":{"header":{"namespace":"AlexaSkillEvent","name":"SkillDisabled"}}}`: false,
	} {
		request, err := lookup.ParseRequest([]byte(body))
		if err != nil || request.IsEvent() != want {
			t.Errorf("%s: %+v, %v", body, request, err)
		}
	}
}

// TestTellBridge sends what a skill tells the bridge, byte by byte, with the credentials of the backend.
func TestTellBridge(t *testing.T) {
	type sent struct{ path, contentType, body, id, secret string }
	var got sent
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s, %v", r.Method, err)
		}
		got = sent{path: r.RequestURI, contentType: r.Header.Get("Content-Type"), body: string(body)}
		got.id, got.secret, _ = r.BasicAuth()
	}))
	defer web.Close()
	client := &lookup.Client{Endpoint: web.URL + "/lookup", ID: "pizza-backend", Secret: "s: %"}
	event := " " + disabledEvent + "\n"
	if err := client.ForwardEvent(t.Context(), []byte(event)); err != nil {
		t.Error(err)
	}
	if want := (sent{"/alexa/events", "application/json", event, "pizza-backend", "s%3A+%25"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := client.ReportDisabled(t.Context(), "lnk_a&b"); err != nil {
		t.Error(err)
	}
	want := sent{"/alexa/disabled", "application/x-www-form-urlencoded", "link_id=lnk_a%26b", "pizza-backend",
		"s%3A+%25"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	client.Endpoint = web.URL + "/lookups"
	if err := client.ReportDisabled(t.Context(), "lnk_a"); err == nil || errors.Is(err, lookup.ErrUnavailable) ||
		!strings.Contains(err.Error(), "/alexa/disabled") {
		t.Errorf("another endpoint: %v", err)
	}
}

// TestTellBridgeFails tells apart what may work again and what is configured wrongly. No error has the body.
func TestTellBridgeFails(t *testing.T) {
	for status, unavailable := range map[int]bool{
		201: true, 302: true, 400: false, 401: false, 404: false, 408: true, 413: false, 429: true, 500: true, 503: true,
	} {
		fake := &fakeBridge{respond: func(string) (int, string) { return status, disabledEvent }}
		err := fake.client().ForwardEvent(t.Context(), []byte(disabledEvent))
		if err == nil || errors.Is(err, lookup.ErrUnavailable) != unavailable ||
			strings.Contains(err.Error(), "the-request") {
			t.Errorf("%d: %v", status, err)
		}
		fake.wantAsked(t, 1)
	}
	down := httptest.NewServer(nil)
	down.Close()
	client := &lookup.Client{Endpoint: down.URL + "/secret/lookup"}
	err := client.ReportDisabled(t.Context(), "lnk_a")
	if !errors.Is(err, lookup.ErrUnavailable) || strings.Contains(err.Error(), "/secret") {
		t.Errorf("no bridge: %v", err)
	}
}
