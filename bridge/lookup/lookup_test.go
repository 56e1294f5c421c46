package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alexa-oidc-bridge/bridge/lookup"
)

// fakeBridge responds to lookups without a network, so that the time can be that of a test.
type fakeBridge struct {
	asked   atomic.Int32
	respond func(token string) (status int, body string)
}

func (b *fakeBridge) RoundTrip(r *http.Request) (*http.Response, error) {
	b.asked.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	status, text := b.respond(form.Get("token"))
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (b *fakeBridge) client() *lookup.Client {
	return &lookup.Client{Endpoint: "http://bridge/lookup", HTTPClient: &http.Client{Transport: b}}
}

// wantAsked checks how often the bridge was asked since the last check.
func (b *fakeBridge) wantAsked(t *testing.T, want int32) {
	t.Helper()
	if got := b.asked.Swap(0); got != want {
		t.Errorf("the bridge was asked %d times, want %d", got, want)
	}
}

func personJSON(subject string, expires int64) string {
	return fmt.Sprintf(`{"active":true,"sub":%q,"upstream_iss":"https://login.example.com","exp":%d}`, subject, expires)
}

func TestRequestToBridge(t *testing.T) {
	for _, sends := range []bool{false, true} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, secret, _ := r.BasicAuth()
			want := ""
			if sends {
				want = "amzn1.ask.account.ADA"
			}
			if r.Method != http.MethodPost || r.PostFormValue("token") != "a+b /c" || id != "back%2Fend" ||
				secret != "s%3A+%25" || r.PostFormValue("alexa_user_id") != want {
				t.Errorf("request %s %v, %q %q", r.Method, r.PostForm, id, secret)
			}
			io.WriteString(w, personJSON("ada", 0))
		}))
		defer web.Close()
		client := &lookup.Client{Endpoint: web.URL, ID: "back/end", Secret: "s: %", SendAlexaUserID: sends}
		person, err := client.Lookup(t.Context(), &lookup.Request{Token: "a+b /c", AlexaUserID: "amzn1.ask.account.ADA"})
		if err != nil || person.Key() != "https://login.example.com ada" {
			t.Errorf("%+v, %v", person, err)
		}
	}
}

// TestErrorsSayWhatIsWrong distinguishes what may be temporary from a client that is configured wrongly.
func TestErrorsSayWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		status    int
		body      string
		temporary bool
		text      string
	}{
		{401, `{"error":"invalid_client","error_description":"wrong"}`, false,
			`lookup: status 401: "invalid_client": "wrong"`},
		{404, "", false, "status 404"}, {403, "<html>", false, "status 403"},
		{429, "", true, "status 429"}, {500, "", true, "status 500"}, {302, "", true, "status 302"},
		{201, "", true, "status 201"}, {408, "", true, "status 408"},
		{200, "<html>", true, "not that of a bridge"},
	} {
		bridge := &fakeBridge{respond: func(string) (int, string) { return tt.status, tt.body }}
		_, err := bridge.client().Lookup(t.Context(), &lookup.Request{Token: "token"})
		if errors.Is(err, lookup.ErrUnavailable) != tt.temporary || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("status %d: %v", tt.status, err)
		}
	}
}

// A redirect would send the token, and on the same host also the secret, to another URL.
func TestRedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the token was sent elsewhere")
	}))
	defer other.Close()
	web := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusPermanentRedirect))
	defer web.Close()
	for _, own := range []*http.Client{nil, {}} {
		client := &lookup.Client{Endpoint: web.URL, ID: "a", Secret: "b", HTTPClient: own}
		if _, err := client.Lookup(t.Context(), &lookup.Request{Token: "token"}); !errors.Is(err, lookup.ErrUnavailable) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestNoToken(t *testing.T) {
	bridge := &fakeBridge{}
	if _, err := bridge.client().Lookup(t.Context(), &lookup.Request{}); !errors.Is(err, lookup.ErrNotLinked) {
		t.Error(err)
	}
	bridge.wantAsked(t, 0)
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(20 * time.Second).Unix()
		bridge := &fakeBridge{respond: func(token string) (int, string) {
			switch token {
			case "ended":
				return 200, `{"active":false}`
			case "outage":
				return 503, ""
			case "expires":
				return 200, personJSON("ada", expires)
			}
			return 200, personJSON("ada", 0)
		}}
		client := bridge.client()
		lookUp := func(token string) {
			client.Lookup(t.Context(), &lookup.Request{Token: token})
		}
		lookUp("ada")
		lookUp("ada")
		bridge.wantAsked(t, 2) // by default nothing is remembered
		client.CacheFor = time.Minute
		for range 3 {
			lookUp("ada")
			lookUp("expires")
		}
		bridge.wantAsked(t, 2)
		for range 3 { // what is not a person is never remembered
			lookUp("ended")
			lookUp("outage")
		}
		bridge.wantAsked(t, 6)
		time.Sleep(20 * time.Second)
		lookUp("ada")
		bridge.wantAsked(t, 0)
		lookUp("expires") // not beyond the end of its token
		bridge.wantAsked(t, 1)
		time.Sleep(40 * time.Second)
		lookUp("ada")
		bridge.wantAsked(t, 1)
	})
}

func TestCacheSize(t *testing.T) {
	bridge := &fakeBridge{respond: func(token string) (int, string) { return 200, personJSON(token, 0) }}
	client := bridge.client()
	client.CacheFor, client.CacheSize = time.Hour, 2
	for _, token := range []string{"a", "b", "a", "c", "a", "c", "b"} { // c takes the place of b
		person, err := client.Lookup(t.Context(), &lookup.Request{Token: token})
		if err != nil || person.Subject != token {
			t.Errorf("%s: %+v, %v", token, person, err)
		}
	}
	bridge.wantAsked(t, 4)
}

// TestCacheDistinguishesAlexaUsers sends each user id once, since the bridge ties the link to it.
func TestCacheDistinguishesAlexaUsers(t *testing.T) {
	bridge := &fakeBridge{respond: func(string) (int, string) { return 200, personJSON("ada", 0) }}
	client := bridge.client()
	client.CacheFor, client.SendAlexaUserID = time.Hour, true
	for _, user := range []string{"a", "b", "a", ""} {
		client.Lookup(t.Context(), &lookup.Request{Token: "token", AlexaUserID: user})
	}
	bridge.wantAsked(t, 3)
}

// TestEqualLookupsAtOnce are sent once. Who gives up waiting disturbs no other.
func TestEqualLookupsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bridge := &fakeBridge{respond: func(token string) (int, string) {
			time.Sleep(time.Second)
			return 200, personJSON(token, 0)
		}}
		client := bridge.client()
		impatient, giveUp := context.WithTimeout(t.Context(), time.Millisecond)
		defer giveUp()
		var callers sync.WaitGroup
		lookUp := func(ctx context.Context, token string, want error) {
			callers.Go(func() {
				person, err := client.Lookup(ctx, &lookup.Request{Token: token})
				if !errors.Is(err, want) || err == nil && person.Subject != token {
					t.Errorf("%+v, %v", person, err)
				}
			})
		}
		lookUp(impatient, "a", lookup.ErrUnavailable) // the first, which sends the request
		synctest.Wait()
		for range 10 {
			lookUp(t.Context(), "a", nil)
			lookUp(t.Context(), "b", nil)
		}
		callers.Wait()
		bridge.wantAsked(t, 2)
		lookUp(t.Context(), "a", nil) // nothing is remembered
		callers.Wait()
		bridge.wantAsked(t, 1)
	})
}
