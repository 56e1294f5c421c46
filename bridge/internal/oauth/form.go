package oauth

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
)

// MaxFormBytes is the largest body that a form may have.
const MaxFormBytes = 8 << 10

// Errors of [ReadForm].
var (
	ErrFormType = &Error{Code: InvalidRequest, HTTPStatus: http.StatusUnsupportedMediaType,
		Description: "The content type must be application/x-www-form-urlencoded."}
	ErrFormTooLarge = &Error{Code: InvalidRequest, HTTPStatus: http.StatusRequestEntityTooLarge,
		Description: "The body must not be larger than 8 KiB."}
	ErrFormSyntax = &Error{Code: InvalidRequest, Description: "The body is not a well-formed form."}
)

const formType = "application/x-www-form-urlencoded"

// ReadForm parses the body of a POST request. It is strict: the content type must be the form's (a charset may
// follow), the size is bounded, and an invalid escape is an error. The query of the URL is not read. Errors are
// [ErrFormType], [ErrFormTooLarge] and [ErrFormSyntax].
func ReadForm(r *http.Request) (url.Values, error) {
	body, err := ReadFormBody(r, make([]byte, 0, 1<<10))
	if err != nil {
		return nil, err
	}
	return ParseForm(body)
}

// ReadFormBody appends the body of a form to buffer, which grows as needed. Together with [ParseForm] it does what
// [ReadForm] does.
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
			r.Body.Close() // spares net/http the search for a rest before it sends the response
			return buffer, nil
		case err != nil:
			return nil, ErrFormSyntax
		}
	}
}

// ParseForm parses a body that [ReadFormBody] returned.
func ParseForm(body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, ErrFormSyntax
	}
	return form, nil
}

// CheckRepeated returns an error when one of the named parameters occurs more than once, which RFC 6749 §3.1 and §3.2
// forbid.
func CheckRepeated(values url.Values, names ...string) error {
	for _, name := range names {
		if len(values[name]) > 1 {
			return Errorf(InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	return nil
}
