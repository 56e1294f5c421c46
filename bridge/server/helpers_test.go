package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// inactive is the lookup response for every token that is not active.
const inactive = `{"active":false}`

// withLightsCodeGrant lets the skill "lights" use the code grant, with LightsSecret.
func withLightsCodeGrant(b *testBridge) {
	lights := b.Config.Skills[1]
	lights.Grants = []bridge.Grant{bridge.GrantAuthorizationCode}
	lights.Secrets = []bridge.Secret{bridge.NewSecret(testbridge.LightsSecret)}
	lights.AccessLifetime, lights.CodeLifetime = time.Hour, time.Minute
}

// wantErrorResponse checks a JSON error response (RFC 6749 section 5.2).
func wantErrorResponse(t testing.TB, response *http.Response, body string, status int, code string) {
	t.Helper()
	var object map[string]string
	err := json.Unmarshal([]byte(body), &object)
	if err != nil || len(object) != 3 || object["error"] != code || object["error_description"] == "" ||
		len(object["reference"]) != 8 || response.StatusCode != status {
		t.Errorf("status %d, want %d %s: %s", response.StatusCode, status, code, body)
	}
	wantJSONHeader(t, response)
}

// wantJSONHeader checks the header of a JSON response. With status 401 it has a Basic challenge, otherwise none.
func wantJSONHeader(t testing.TB, response *http.Response) {
	t.Helper()
	header := response.Header
	if header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v, want JSON that is not stored", header)
	}
	scheme, _, _ := strings.Cut(header.Get("WWW-Authenticate"), " ")
	if want := map[int]string{http.StatusUnauthorized: "Basic"}[response.StatusCode]; scheme != want {
		t.Errorf("status %d with challenge %q, want %q", response.StatusCode, scheme, want)
	}
}

func lookupRequest(b *testBridge, form url.Values) *http.Request {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/lookup", form)
	request.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	return request
}

// withCookies adds the phone's cookies to a request.
func withCookies(phone *simulator.Phone, request *http.Request) *http.Request {
	for _, cookie := range phone.Client.Jar.Cookies(request.URL) {
		request.AddCookie(cookie)
	}
	return request
}

func basicAuth(id, secret string) func(*http.Request) {
	return func(request *http.Request) { request.SetBasicAuth(id, secret) }
}

func withoutAuth(request *http.Request) { request.Header.Del("Authorization") }

func mustParse(address string) *url.URL {
	parsed, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return parsed
}

// readDatabase returns the bytes of the database file and of its write-ahead log.
func readDatabase(b *testBridge) string {
	b.Helper()
	database, err := os.ReadFile(b.Database)
	if err != nil {
		b.Fatal(err)
	}
	wal, err := os.ReadFile(b.Database + "-wal")
	if err != nil {
		b.Fatal(err)
	}
	return string(database) + string(wal)
}

// wantRefreshRejected checks that a refresh token gets invalid_grant.
func wantRefreshRejected(b *testBridge, token string) {
	b.Helper()
	response, body := b.Refresh(token)
	wantErrorResponse(b, response, body, http.StatusBadRequest, "invalid_grant")
}

// wantCodeRejected checks that a code gets invalid_grant.
func wantCodeRejected(b *testBridge, code string) {
	b.Helper()
	response, body := b.Exchange(code)
	wantErrorResponse(b, response, body, http.StatusBadRequest, "invalid_grant")
}
