package upstream_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// reply answers with a JSON body, or with what claims to be one.
func reply(status int, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	}
}

// cut closes the connection without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// with sets a claim of the ID token.
func with(name string, value any) func(*forge) {
	return func(f *forge) { f.claims[name] = value }
}

// without leaves a claim out of the ID token.
func without(name string) func(*forge) {
	return func(f *forge) { delete(f.claims, name) }
}

// metadata sets a value of the discovery document.
func metadata(name string, value any) func(*forge) {
	return func(f *forge) { f.metadata[name] = value }
}

// notAnnounced leaves a value out of the discovery document.
func notAnnounced(name string) func(*forge) {
	return func(f *forge) { delete(f.metadata, name) }
}

// instead puts a handler in the place of an endpoint's answer.
func instead(path string, handler http.HandlerFunc) func(*forge) {
	return func(f *forge) { f.instead[path] = handler }
}

// unbent leaves a forge as it is.
func unbent(*forge) {}

// bent makes several bends.
func bent(bends ...func(*forge)) func(*forge) {
	return func(f *forge) {
		for _, bend := range bends {
			bend(f)
		}
	}
}

// kind tells errors apart as their callers do; it is empty for none.
func kind(err error) string {
	if unavailable, ok := errors.AsType[*upstream.UnavailableError](err); ok {
		return "unavailable at " + unavailable.Stage
	}
	if refused, ok := errors.AsType[*upstream.RefusedError](err); ok {
		return "refused at " + refused.Stage
	}
	if _, ok := errors.AsType[*upstream.EmbeddedBrowserError](err); ok {
		return "embedded browser"
	}
	switch {
	case errors.Is(err, upstream.ErrGroupsOverage):
		return "groups overage"
	case err != nil:
		return "unknown: " + err.Error()
	}
	return ""
}

// wantKind ends the test unless the error is of that kind.
func wantKind(t *testing.T, err error, want string) {
	t.Helper()
	if got := kind(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

// claim returns a claim of an identity as JSON, or nothing.
func claim(t *testing.T, identity *upstream.Identity, name string) string {
	t.Helper()
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(identity.Claims, &claims); err != nil {
		t.Fatalf("the claims %s are no object: %v", identity.Claims, err)
	}
	return string(claims[name])
}
