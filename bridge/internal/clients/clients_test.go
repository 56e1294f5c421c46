package clients_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

var secret = strings.Repeat("s", 32)

func newRegistry() *clients.Registry {
	return clients.New(nil, nil, nil, []*bridge.Backend{{ID: "b", Secrets: []bridge.Secret{bridge.NewSecret(secret)}}})
}

func newRequest(password string, headers int) *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/lookup", nil)
	for range headers {
		request.Header.Add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("b:"+password)))
	}
	return request
}

func status(err error) int {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e.Status()
	}
	return http.StatusOK
}

func TestAuthenticateBackend(t *testing.T) {
	for _, tt := range []struct {
		name     string
		password string
		headers  int
		form     string
		want     int
	}{
		{"by header", secret, 1, "", 200},
		{"wrong secret", secret + "x", 1, "", 401},
		{"empty secret", "", 1, "", 401},
		{"nothing", secret, 0, "", 401},
		{"two headers", secret, 2, "", 400},
		{"by header and body", secret, 1, "client_secret=" + secret, 400},
		{"another client_id in the body", secret, 1, "client_id=other", 400},
		{"by body", "", 0, "client_id=b&client_secret=" + secret, 200},
		{"by body, unknown id", "", 0, "client_id=c&client_secret=" + secret, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			registry := newRegistry()
			request := newRequest(tt.password, tt.headers)
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			_, err = registry.AuthenticateBackend(request, form)
			if got := status(err); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
			cached, _ := registry.BackendByHeader(request.Header["Authorization"], nil)
			if wantCached := tt.want == 200 && tt.headers == 1; (cached != nil) != wantCached {
				t.Errorf("header cached: %v, want %v", cached != nil, wantCached)
			}
		})
	}
}

func TestBackendByHeader(t *testing.T) {
	registry := newRegistry()
	good := newRequest(secret, 1)
	if backend, _ := registry.BackendByHeader(good.Header["Authorization"], nil); backend != nil {
		t.Fatal("a header is known that was never checked")
	}
	if _, err := registry.AuthenticateBackend(good, nil); err != nil {
		t.Fatal(err)
	}
	if backend, _ := registry.BackendByHeader(good.Header["Authorization"], nil); backend == nil || backend.ID != "b" {
		t.Fatal("a header that was right is not known")
	}
	for i := range 2000 {
		header := newRequest(fmt.Sprint(secret, i), 1).Header["Authorization"]
		if backend, _ := registry.BackendByHeader(header, nil); backend != nil {
			t.Fatal("a wrong header is known")
		}
	}
	known := 0
	for i := range 32 { // of the spellings of one secret, few are kept
		scheme := []byte("basic")
		for bit := range scheme {
			scheme[bit] -= byte(i >> bit & 1 * ('a' - 'A'))
		}
		spelled := newRequest(secret, 1)
		_, encoded, _ := strings.Cut(spelled.Header.Get("Authorization"), " ")
		spelled.Header.Set("Authorization", string(scheme)+" "+encoded)
		if _, err := registry.AuthenticateBackend(spelled, nil); err != nil {
			t.Fatal(err)
		}
		if backend, _ := registry.BackendByHeader(spelled.Header["Authorization"], nil); backend != nil {
			known++
		}
	}
	if known < 2 || known > 16 {
		t.Errorf("%d of 32 spellings are kept, want 16 at most", known)
	}
}
