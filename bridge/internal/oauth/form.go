package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
)

// MaxFormBytes bounds the body of every form that is posted to us.
const MaxFormBytes = 8 << 10

// Errors of [ReadForm].
var (
	ErrFormType     = errors.New("the content type must be application/x-www-form-urlencoded")
	ErrFormTooLarge = errors.New("the body must not be larger than 8 KiB")
	ErrFormSyntax   = errors.New("the body is not a well-formed form")
)

const formType = "application/x-www-form-urlencoded"

// ReadForm reads the body of a POST as a form, strictly: the right content type (a charset may follow), a bounded size and
// no broken escapes. The request's URL adds nothing.
func ReadForm(r *http.Request) (url.Values, error) {
	body, err := ReadFormBody(r, make([]byte, 0, 1<<10))
	if err != nil {
		return nil, err
	}
	return ParseForm(body)
}

// ReadFormBody does the first half of [ReadForm]: it appends the body to a buffer, which grows as needed.
func ReadFormBody(r *http.Request, buffer []byte) ([]byte, error) {
	if contentType := r.Header.Get("Content-Type"); contentType != formType {
		mediaType, _, err := mime.ParseMediaType(contentType)
		if err != nil || mediaType != formType {
			return nil, ErrFormType
		}
	}
	if r.ContentLength > MaxFormBytes {
		return nil, ErrFormTooLarge
	}
	for {
		if len(buffer) == cap(buffer) {
			buffer = slices.Grow(buffer, len(buffer)+1)
		}
		n, err := r.Body.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case len(buffer) > MaxFormBytes:
			return nil, ErrFormTooLarge
		case err == io.EOF:
			r.Body.Close() // or net/http would look for the rest of it before it answers
			return buffer, nil
		case err != nil:
			return nil, ErrFormSyntax
		}
	}
}

// ParseForm does the second half of [ReadForm].
func ParseForm(body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, ErrFormSyntax
	}
	return form, nil
}

// FormStatus is the HTTP status for an error of [ReadForm].
func FormStatus(err error) int {
	switch {
	case errors.Is(err, ErrFormType):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, ErrFormTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// Single returns a parameter that must not be repeated (RFC 6749 §3.1). An empty one counts as absent.
func Single(values url.Values, name string) (value string, once bool) {
	if len(values[name]) > 1 {
		return "", false
	}
	return values.Get(name), true
}
