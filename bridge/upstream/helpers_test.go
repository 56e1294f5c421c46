package upstream_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// reply responds with a body of type JSON, whether it is JSON or not.
func reply(status int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	}
}

// cut closes the connection without a response.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// with sets a claim of the ID token.
func with(name string, value any) func(*fakeProvider) {
	return func(f *fakeProvider) { f.claims[name] = value }
}

// without leaves a claim out of the ID token.
func without(name string) func(*fakeProvider) {
	return func(f *fakeProvider) { delete(f.claims, name) }
}

// metadata sets a value of the discovery document.
func metadata(name string, value any) func(*fakeProvider) {
	return func(f *fakeProvider) { f.metadata[name] = value }
}

// notAnnounced leaves a value out of the discovery document.
func notAnnounced(name string) func(*fakeProvider) {
	return func(f *fakeProvider) { delete(f.metadata, name) }
}

// override replaces an endpoint by a handler.
func override(path string, handler http.HandlerFunc) func(*fakeProvider) {
	return func(f *fakeProvider) { f.override[path] = handler }
}

// configured changes the configuration of the relying party.
func configured(change func(*upstream.Config)) func(*fakeProvider) {
	return func(f *fakeProvider) { f.changes = append(f.changes, change) }
}

// receives sets the response that the relying party receives.
func receives(response upstream.Response) func(*fakeProvider) {
	return func(f *fakeProvider) { f.response = response }
}

// unchanged leaves a fake provider as it is.
func unchanged(*fakeProvider) {}

// combine applies several setups.
func combine(setups ...func(*fakeProvider)) func(*fakeProvider) {
	return func(f *fakeProvider) {
		for _, setup := range setups {
			setup(f)
		}
	}
}

// kind names the kind and the stage of an error; it is empty for nil.
func kind(err error) string {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return string(e.Kind) + " at " + e.Stage
	}
	if err != nil {
		return "unknown: " + err.Error()
	}
	return ""
}

func errorOf(_ *upstream.Identity, err error) error { return err }

// hint returns the hint of an error.
func hint(err error) string {
	e, _ := errors.AsType[*upstream.Error](err)
	if e == nil {
		return ""
	}
	return e.Hint
}

func rediscover(t *testing.T, p *upstream.Provider) error {
	_, err := p.Rediscover(t.Context())
	return err
}

// wantKind ends the test unless the error is of that kind.
func wantKind(t *testing.T, err error, want string) {
	t.Helper()
	if got := kind(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

// signIn is a sign-in and the kind of its error.
type signIn struct {
	name  string
	setup func(*fakeProvider)
	want  string
}

func testSignIns(t *testing.T, tests []signIn, needed ...string) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFake(t, tt.setup).identify(t, needed...)
			wantKind(t, err, tt.want)
		})
	}
}

// claim returns a claim of an identity as JSON, or "".
func claim(t *testing.T, identity *upstream.Identity, name string) string {
	t.Helper()
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(identity.Claims, &claims); err != nil {
		t.Fatalf("the claims %s are no object: %v", identity.Claims, err)
	}
	return string(claims[name])
}
