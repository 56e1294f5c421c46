package bridge

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// MaxFormBytes bounds the body of every form that is posted to us.
const MaxFormBytes = 8 << 10

// Errors of [ReadForm].
var (
	ErrFormType     = errors.New("the content type must be application/x-www-form-urlencoded")
	ErrFormTooLarge = errors.New("the body must not be larger than 8 KiB")
	ErrFormSyntax   = errors.New("the body is not a well-formed form")
)

// ReadForm reads the body of a POST as a form, strictly: the right content type (a charset may follow), a bounded size and
// no broken escapes. The request's URL adds nothing.
func ReadForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, ErrFormType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, ErrFormTooLarge
	}
	if err != nil {
		return nil, ErrFormSyntax
	}
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
