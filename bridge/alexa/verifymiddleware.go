package alexa

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// maxRequest is the largest request that is read, in bytes. Alexa sends less.
const maxRequest = 1 << 20

// Middleware returns a handler that passes requests from Alexa on to next, which can read the body. It responds to
// others with status 400, as Amazon requires, and with 503 when it could not find out, and logs why.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "The body is too large, or it ended too soon.", http.StatusBadRequest)
			return
		}
		if err := v.Verify(r.Context(), r.Header, body); err != nil {
			respondUnverified(w, r, err)
			return
		}
		r = r.WithContext(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func respondUnverified(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNotFromAlexa) {
		slog.InfoContext(r.Context(), "request refused", "error", err)
		http.Error(w, "The request is not from Alexa.", http.StatusBadRequest)
		return
	}
	slog.WarnContext(r.Context(), "request not verified", "error", err)
	w.Header().Set("Retry-After", "2")
	http.Error(w, "The request could not be verified now.", http.StatusServiceUnavailable)
}
