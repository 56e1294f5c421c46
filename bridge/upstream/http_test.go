package upstream_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/upstream"
)

// needsUserinfo is a claim that a fake provider has in userinfo only.
const needsUserinfo = "email"

// stages returns the endpoints of a sign-in and the kind of the error when each fails.
func stages(kind string) map[string]string {
	return map[string]string{
		discoveryPath: kind + " at discovery",
		tokenPath:     kind + " at token",
		keysPath:      kind + " at keys",
		userinfoPath:  kind + " at userinfo",
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for path, want := range stages("misconfigured") {
		for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
			t.Run(path+" "+http.StatusText(status), func(t *testing.T) {
				f := newFake(t)
				var carried atomic.Int64
				elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					carried.Add(1)
					f.respond(w, r)
				}))
				defer elsewhere.Close()
				f.override[path] = func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, elsewhere.URL+path, status)
				}
				_, err := f.identify(t, needsUserinfo)
				wantKind(t, err, want)
				if carried.Load() != 0 {
					t.Error("a request went to where nobody configured")
				}
			})
		}
	}
}

// padded returns an object as JSON of exactly that size.
func padded(object map[string]any, size int) []byte {
	object = maps.Clone(object)
	object["padding"] = ""
	object["padding"] = strings.Repeat("x", size-len(encode(object)))
	return encode(object)
}

func zipped(body []byte) http.HandlerFunc {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	writer.Write(body)
	writer.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(buffer.Bytes())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	const limit = 1 << 20
	ok := func(body []byte) http.HandlerFunc { return reply(http.StatusOK, body) }
	for path, want := range stages("misconfigured") {
		tests := []struct {
			name string
			size int
			send func([]byte) http.HandlerFunc
			want string
		}{
			{"at the limit", limit, ok, ""},
			{"beyond it", limit + 1, ok, want},
			{"beyond it once unpacked", limit + 1, zipped, want},
		}
		for _, tt := range tests {
			t.Run(path+" "+tt.name, func(t *testing.T) {
				f := newFake(t)
				f.override[path] = tt.send(padded(f.object(path), tt.size))
				_, err := f.identify(t, needsUserinfo)
				wantKind(t, err, tt.want)
			})
		}
	}
}

func TestSlowProvider(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for timeouts")
	}
	var group sync.WaitGroup // in parallel, since each waits for its timeout
	for path, want := range stages("out of reach") {
		for name, begins := range map[string]bool{" does not begin": false, " does not end": true} {
			group.Go(func() { t.Run(path+name, func(t *testing.T) { testSlow(t, path, begins, want) }) })
		}
	}
	group.Wait()
}

func testSlow(t *testing.T, path string, begins bool, want string) {
	over := make(chan struct{})
	f := newFake(t, override(path, func(w http.ResponseWriter, _ *http.Request) {
		if begins {
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush()
		}
		<-over
	}), configured(func(config *upstream.Config) { config.Timeout = 1500 * time.Millisecond }))
	t.Cleanup(func() { close(over) }) // before the server is closed, which waits for its handlers
	p := f.provider()

	// Reached only if the provider has no timeout of its own.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := p.Identify(ctx, login(), upstream.Response{Code: code}, upstream.Wish{Needed: []string{needsUserinfo}})
	if ctx.Err() != nil {
		t.Fatal("the request had no timeout")
	}
	wantKind(t, err, want)
}
