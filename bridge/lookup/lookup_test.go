package lookup_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"alexa-oidc-bridge/bridge/lookup"
)

// lookUp looks up a token at a bridge that sends this response.
func lookUp(t *testing.T, status int, body string) (*lookup.Response, error) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.PostFormValue("token") != "a+b /c" || id != "back%2Fend" || secret != "s%3A+%25" {
			t.Errorf("request %s %v, %q %q", r.Method, r.PostForm, id, secret)
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer web.Close()
	return (&lookup.Client{Endpoint: web.URL, ID: "back/end", Secret: "s: %"}).Lookup(t.Context(), "a+b /c")
}

func TestThreeOutcomes(t *testing.T) {
	response, err := lookUp(t, 200,
		`{"active":true,"sub":"ada","upstream_iss":"https://login.example.com","claims":{"name":"Ada"}}`)
	if err != nil || !response.Active || response.Subject != "ada" || response.Claims["name"] != "Ada" {
		t.Errorf("active: %+v, %v", response, err)
	}
	response, err = lookUp(t, 200, `{"active":false}`)
	if err != nil || response.Active {
		t.Errorf("inactive: %+v, %v", response, err)
	}
	// Every other response is an error.
	for body, status := range map[string]int{
		`{"error":"temporarily_unavailable"}`: 503, "": 500, "slow down": 429, `{"active":false}`: 502,
		"{}": 200, "null": 200, "<html>": 200, `{"status":"maintenance"}`: 200, `{"active":null}`: 200,
		`{"active":"no"}`: 200,
		"moved":           308, "elsewhere": 302,
	} {
		if response, err := lookUp(t, status, body); response != nil || !errors.Is(err, lookup.ErrUnavailable) {
			t.Errorf("status %d, %s: %+v, %v", status, body, response, err)
		}
	}
	for _, status := range []int{400, 401, 405} {
		_, err := lookUp(t, status, `{"error":"invalid_client","error_description":"The backend did not authenticate."}`)
		if err == nil || errors.Is(err, lookup.ErrUnavailable) {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

// A redirect would send the token, and on the same host also the secret, to another URL.
func TestRedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter,
		*http.Request) {
		t.Error("the token was sent elsewhere")
	}))
	defer other.Close()
	web := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusPermanentRedirect))
	defer web.Close()
	for _, own := range []*http.Client{nil, {}} {
		client := &lookup.Client{Endpoint: web.URL, ID: "a", Secret: "b", HTTPClient: own}
		if _, err := client.Lookup(t.Context(), "token"); !errors.Is(err, lookup.ErrUnavailable) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	web := httptest.NewServer(nil)
	web.Close()
	if _, err := (&lookup.Client{Endpoint: web.URL}).Lookup(t.Context(), "token"); !errors.Is(err, lookup.ErrUnavailable) {
		t.Errorf("err = %v", err)
	}
}
