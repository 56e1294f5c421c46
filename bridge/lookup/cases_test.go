package lookup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/lookup"
)

// cases are what every kit must do, also those in other languages.
type cases struct {
	Lookups []struct {
		Name, Body, Outcome, Location, Fault string
		Base64                               []byte
		Status, Spaces                       int
		AllowTest                            bool `json:"allow_test"`
	}
	Requests []struct {
		Name, Kind, Token string
		Request           json.RawMessage
		AlexaUserID       string `json:"alexa_user_id"`
	}
	NotRequests []struct {
		Name, Body string
		Base64     []byte
	} `json:"not_requests"`
	Responses []struct {
		Name, Outcome     string
		Request, Response json.RawMessage
	}
}

func readCases(t *testing.T) cases {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var c cases
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// outcome returns the name of an outcome in the cases.
func outcome(person *lookup.Person, err error) string {
	switch {
	case err == nil && person != nil:
		return "active"
	case errors.Is(err, lookup.ErrNotLinked):
		return "not linked"
	case err != nil && person == nil:
		return "unknown"
	}
	return fmt.Sprintf("%v and %v", person, err)
}

func TestLookups(t *testing.T) {
	for _, c := range readCases(t).Lookups {
		t.Run(c.Name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.ParseForm() // so that net/http notices when the client has gone
				switch c.Fault {
				case "reset":
					panic(http.ErrAbortHandler)
				case "timeout":
					<-r.Context().Done()
					return
				case "interim":
					w.WriteHeader(http.StatusProcessing)
				}
				if c.Location != "" {
					w.Header().Set("Location", c.Location)
				}
				w.WriteHeader(c.Status)
				w.Write(append([]byte(c.Body+strings.Repeat(" ", c.Spaces)), c.Base64...))
			}))
			defer web.Close()
			client := &lookup.Client{Endpoint: web.URL, ID: "a", Secret: "b", AllowTest: c.AllowTest}
			if c.Fault == "timeout" {
				client.HTTPClient = &http.Client{Timeout: 50 * time.Millisecond}
			}
			person, err := client.Lookup(t.Context(), &lookup.Request{Token: "token"})
			if got := outcome(person, err); got != c.Outcome {
				t.Errorf("%s, want %s: %v", got, c.Outcome, err)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	all := readCases(t)
	for _, c := range all.Requests {
		request, err := lookup.ParseRequest(c.Request)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if request.Token != c.Token || string(request.Kind) != c.Kind || request.AlexaUserID != c.AlexaUserID {
			t.Errorf("%s: %+v", c.Name, request)
		}
	}
	for _, c := range all.NotRequests {
		if request, err := lookup.ParseRequest(append([]byte(c.Body), c.Base64...)); err == nil {
			t.Errorf("%s: %+v", c.Name, request)
		}
	}
}

func TestErrorResponses(t *testing.T) {
	errs := map[string]error{"not linked": lookup.ErrNotLinked, "unknown": errors.New("status 401")}
	for _, c := range readCases(t).Responses {
		request, err := lookup.ParseRequest(c.Request)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if err := json.Unmarshal(new(lookup.Client).ErrorResponse(request, errs[c.Outcome]), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(c.Response, &want); err != nil {
			t.Fatal(err)
		}
		if anyMessageID(got); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\nwant %v", c.Name, got, want)
		}
	}
}

// anyMessageID replaces a messageId by "*", which the cases have for any.
func anyMessageID(response map[string]any) {
	if event, found := response["event"].(map[string]any); found {
		response = event
	}
	if header, found := response["header"].(map[string]any); found && header["messageId"] != "" {
		header["messageId"] = "*"
	}
}
