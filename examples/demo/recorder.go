package main

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
)

// maxRecorded is how much of a body is recorded, in bytes.
const maxRecorded = 128 << 10

// record wraps the handler of a party. It adds the requests that have an annotation to the transcript, with their
// responses.
func (t *transcript) record(to party, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := peekBody(r)
		annotation, found := findAnnotation(to, r, body)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		if annotation.section != "" {
			t.ensureSection(annotation.section)
		}
		addResponse := t.addRequest(step{From: annotation.from, To: to, Why: annotation.why,
			Request: describeRequest(to, r, body)})
		recording := &recordingWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recording, r)
		why := annotation.responseWhy
		if w.Header().Get("Location") == linksPath {
			why = cmp.Or(annotation.linksWhy, why)
		}
		addResponse(describeResponse(recording.status, w.Header(), recording.body.Bytes()), why)
	})
}

// peekBody returns the first part of a request's body. The whole body can still be read.
func peekBody(r *http.Request) []byte {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRecorded))
	rest := r.Body
	if err != nil {
		rest = io.NopCloser(brokenReader{err})
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), r.Body}
	return body
}

// brokenReader returns the error of the body.
type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

// recordingWriter records the status and the first part of the body.
type recordingWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *recordingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(part []byte) (int, error) {
	w.body.Write(part[:min(len(part), max(0, maxRecorded-w.body.Len()))])
	return w.ResponseWriter.Write(part)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
