package main

import (
	"bytes"
	"io"
	"net/http"
)

// maxRecorded is how much of a body the recorder reads along.
const maxRecorded = 128 << 10

// record writes down what a party is asked and answers, as far as there is a lesson in it.
func (s *story) record(to party, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := readAlong(r)
		lesson, found := lessonOf(to, r, body)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		answered := s.ask(step{From: lesson.from, To: to, Why: lesson.why, Request: describeRequest(to, r, body)})
		along := &alongWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(along, r)
		answered(describeAnswer(along.status, w.Header(), along.body.Bytes()), lesson.answerWhy)
	})
}

// readAlong returns the first part of a request's body and leaves all of it to be read.
func readAlong(r *http.Request) []byte {
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

// brokenReader fails as the body did.
type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

// alongWriter remembers the status and the first part of the body.
type alongWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *alongWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *alongWriter) Write(part []byte) (int, error) {
	w.body.Write(part[:min(len(part), max(0, maxRecorded-w.body.Len()))])
	return w.ResponseWriter.Write(part)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *alongWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
