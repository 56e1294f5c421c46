package lookup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// maxRequest is the largest request that is read, in bytes. Alexa sends less.
const maxRequest = 1 << 20

type contextKey struct{}

// PersonFromContext returns who sent the request that [Client.Middleware] handles, or nil if that is not known or the
// context is of another request.
func PersonFromContext(ctx context.Context) *Person {
	person, _ := ctx.Value(contextKey{}).(*Person)
	return person
}

// Middleware returns a handler of requests of Alexa. It looks up who sent a request, puts that into the context for
// [PersonFromContext], and calls next, which can read the body. To others it responds by [Client.ErrorResponse],
// and logs why when nothing is known. Requests that nobody spoke, such as the end of a session, go to next in any
// case.
//
// It does not verify that Alexa sent the request.
func (c *Client) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "The body is too large, or it ended too soon.", http.StatusBadRequest)
			return
		}
		request, err := ParseRequest(body)
		if err != nil {
			http.Error(w, "This is not a request of Alexa.", http.StatusBadRequest)
			return
		}
		person, err := c.Lookup(r.Context(), request)
		if err != nil && (request.Kind != Custom || request.isSpoken()) {
			if !errors.Is(err, ErrNotLinked) {
				slog.WarnContext(r.Context(), "lookup failed", "error", err)
			}
			w.Header().Set("Content-Type", "application/json;charset=utf-8")
			w.Write(c.ErrorResponse(request, err))
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, person))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}
