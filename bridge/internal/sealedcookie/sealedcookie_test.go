package sealedcookie_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/internal/sealedcookie"
	"alexa-oidc-bridge/bridge/keys"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, keys.SecretSize) }

// put returns the cookie that a jar sets.
func put(t *testing.T, jar *sealedcookie.Jar, name string) *http.Cookie {
	t.Helper()
	recorder := httptest.NewRecorder()
	err := jar.Put(recorder, httptest.NewRequest(http.MethodGet, "/", nil), jar.Name(name), map[any]any{"who": "ada"})
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Result().Cookies()[0]
}

func TestCookie(t *testing.T) {
	jar := sealedcookie.New(keys.NewRing(secret(1)), "one", true, time.Minute)
	cookie := put(t, jar, "name")
	if cookie.Name != "__Host-name" || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" ||
		cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 60 || strings.Contains(cookie.Value, "ada") {
		t.Errorf("%+v", *cookie)
	}
	onHTTP := sealedcookie.New(keys.NewRing(secret(1)), "one", false, time.Minute)
	if plain := put(t, onHTTP, "name"); plain.Name != "name" || plain.Secure {
		t.Errorf("on http: %+v", *plain)
	}
	removal := jar.Removal(jar.Name("name"))
	if removal.Name != cookie.Name || removal.MaxAge >= 0 || removal.Value != "" {
		t.Errorf("%+v", *removal)
	}
	long := map[any]any{"who": strings.Repeat("x", 4096)}
	if err := jar.Put(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), "name", long); err == nil {
		t.Error("a cookie is set that no browser accepts")
	}
}

// TestOpen verifies that a cookie opens only as what it was sealed as.
func TestOpen(t *testing.T) {
	cookie := put(t, sealedcookie.New(keys.NewRing(secret(1)), "one", true, time.Minute), "name")
	renamed := *cookie
	renamed.Name = "__Host-another"
	changed := *cookie
	changed.Value = changed.Value[:len(changed.Value)-1]
	for name, test := range map[string]struct {
		purpose string
		ring    *keys.Ring
		cookie  *http.Cookie
		want    bool
	}{
		"as it is":        {"one", keys.NewRing(secret(1)), cookie, true},
		"a key in front":  {"one", keys.NewRing(secret(2), secret(1)), cookie, true},
		"another key":     {"one", keys.NewRing(secret(2)), cookie, false},
		"another purpose": {"two", keys.NewRing(secret(1)), cookie, false},
		"another name":    {"one", keys.NewRing(secret(1)), &renamed, false},
		"changed":         {"one", keys.NewRing(secret(1)), &changed, false},
	} {
		jar := sealedcookie.New(test.ring, test.purpose, true, time.Minute)
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.AddCookie(test.cookie)
		values, ok := jar.Find(request, test.cookie.Name)
		if ok != test.want || ok && values["who"] != "ada" {
			t.Errorf("%s: %v, %t", name, values, ok)
		}
		if _, ok := jar.Find(request, "__Host-none"); ok {
			t.Errorf("%s: a cookie that the request does not have", name)
		}
	}
}
