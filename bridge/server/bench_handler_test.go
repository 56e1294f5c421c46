package server_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
)

// nowhere is a response that goes nowhere.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header            { return n.header }
func (n *nowhere) Write(body []byte) (int, error) { return len(body), nil }
func (n *nowhere) WriteHeader(int)                {}

type rewound struct{ *bytes.Reader }

func (rewound) Close() error { return nil }

// BenchmarkLookUpAlone times what a lookup from memory costs beside the HTTP server: time and allocations of the handler alone,
// with 20,000 tokens in turn, beside a bare handler that reads and writes the same.
func BenchmarkLookUpAlone(b *testing.B) {
	store, err := sqlstore.Open(b.Context(), sqlstore.Options{Driver: "sqlite", DSN: filepath.Join(b.TempDir(), "bridge.db"), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	tokens := fillStore(b, store, 20_000)
	built := benchServer(b, store)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { built.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	answer := httptest.NewRecorder()
	built.Public.ServeHTTP(answer, benchRequest(b, "http://127.0.0.1", tokens[0]))
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(200)
		w.Write(answer.Body.Bytes())
	})
	for name, handler := range map[string]http.Handler{"bare": bare, "lookup": built.Public} {
		b.Run(name, func(b *testing.B) {
			bodies := make([]rewound, len(tokens))
			for i, token := range tokens {
				bodies[i] = rewound{bytes.NewReader([]byte("token=" + token))}
			}
			request := benchRequest(b, "http://127.0.0.1", tokens[0])
			w := &nowhere{header: http.Header{}}
			one := func(i int) {
				clear(w.header)
				body := bodies[i*7919%len(bodies)]
				body.Seek(0, io.SeekStart)
				request.Body = body
				handler.ServeHTTP(w, request)
			}
			for i := range bodies {
				one(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				one(i)
			}
		})
	}
}
