package upstream_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// unreachable moves an endpoint to a port that is closed.
func unreachable(endpoint string) func(*fakeProvider) {
	return func(f *fakeProvider) {
		listener := must(net.Listen("tcp", "127.0.0.1:0"))
		defer listener.Close()
		f.metadata[endpoint] = "http://" + listener.Addr().String() + "/path-of-the-endpoint?query=of-the-endpoint"
	}
}

func TestKeysFail(t *testing.T) {
	const unavailable = "out of reach at keys"
	answer := func(status int, body string) func(*fakeProvider) {
		return override(keysPath, reply(status, []byte(body)))
	}
	tests := []signIn{
		{"not found", answer(http.StatusNotFound, ""), "misconfigured at keys"},
		{"a failure", answer(http.StatusInternalServerError, ""), unavailable},
		{"the connection is cut", override(keysPath, cut), unavailable},
		{"nobody listens", unreachable("jwks_uri"), unavailable},
		{"not JSON", answer(http.StatusOK, "<html>"), "misconfigured at keys"},
		{"an ID token that no key could help", combine(override(keysPath, cut), withIDToken(unsecured)),
			"out of reach at keys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup)
			p := f.provider()
			_, err := f.identifyAt(t, p)
			wantKind(t, err, tt.want)

			f.update(func() {
				delete(f.override, keysPath)
				f.metadata["jwks_uri"], f.idToken = f.issuer+keysPath, nil
			})
			wantKind(t, rediscover(t, p), "")
			_, err = f.identifyAt(t, p)
			wantKind(t, err, "")
		})
	}
}

// wantPrintable checks that an error is fit for a log.
func wantPrintable(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if i := strings.IndexFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("%q is not fit for a log at byte %d", err, i)
	}
	if len(err.Error()) > 800 {
		t.Errorf("%d bytes are too many for a log", len(err.Error()))
	}
}

// TestErrorsArePrintable puts long text with control characters into everything that a provider sends.
func TestErrorsArePrintable(t *testing.T) {
	dirty := "\x1b[31m\r\nlevel=INFO\x00\u2028\u202e\u00e9\x7f" + strings.Repeat("long ", 10_000)
	answer := func(path string, status int) func(*fakeProvider) { return override(path, reply(status, []byte(dirty))) }
	tests := map[string]func(*fakeProvider){
		"response": receives(upstream.Response{Error: dirty, ErrorDescription: dirty}),
		"response of an overload": receives(
			upstream.Response{Error: "temporarily_unavailable", ErrorDescription: dirty}),
		"response to an embedded browser": receives(
			upstream.Response{Error: "disallowed_useragent", ErrorDescription: dirty}),
		"response with iss":             receives(upstream.Response{Code: code, ISS: dirty}),
		"discovery":                     answer(discoveryPath, http.StatusNotFound),
		"discovery with another issuer": metadata("issuer", dirty),
		"token": override(tokenPath, reply(http.StatusBadRequest,
			encode(map[string]any{"error": dirty, "error_description": dirty}))),
		"keys":     answer(keysPath, http.StatusNotFound),
		"ID token": with("iss", dirty),
		"userinfo": answer(userinfoPath, http.StatusNotFound),
	}
	for name, setup := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newFake(t, setup).identify(t, needsUserinfo)
			wantPrintable(t, err)
		})
	}
}

func TestLogText(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name, text string
		secrets    []string
		want       string
	}{
		{"plain", "a b~", nil, "a b~"},
		{"control characters", "a\r\n\tb\x00\x1b\x7f", nil, "a...b..."},
		{"beyond ASCII", "\u00e9\u2028\U0001f600\xff", nil, "...."},
		{"as long as may be", long, nil, long},
		{"longer", long + "y", nil, long},
		{"long in bytes, not in characters", strings.Repeat("\u00e9", 301), nil, strings.Repeat(".", 300)},
		{"secrets, everywhere", "s1 and s2 and s1", []string{"s1", "s2"}, "[removed] and [removed] and [removed]"},
		{"a secret that begins another", "abcdef", []string{"abc", "abcdef"}, "[removed]"},
		{"an empty secret", "ab", []string{""}, "ab"},
		{"a secret with control characters", "a s\n1", []string{"s\n1"}, "a [removed]"},
		{"a secret across the cut", long[:297] + "secret", []string{"secret"}, long[:297] + "[re"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := upstream.LogText(tt.text, tt.secrets...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
