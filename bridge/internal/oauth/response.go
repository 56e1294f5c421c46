package oauth

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// responseHeader is the header of every JSON response: no cache stores it (RFC 6749 §5.1), and no browser takes it
// for a page. All responses share the values, which nobody changes.
var responseHeader = []struct {
	name   string
	values []string
}{
	{"Content-Type", []string{"application/json"}},
	{"Cache-Control", []string{"no-store"}},
	{"Pragma", []string{"no-cache"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Referrer-Policy", []string{"no-referrer"}},
}

// WriteJSON writes a JSON response.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	for i := range responseHeader {
		header[responseHeader[i].name] = responseHeader[i].values
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body) // fails only when the client has closed the connection
}

// WriteEmpty writes a response without a body.
func WriteEmpty(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "no-store")
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(status)
}

// WriteError writes an error response (RFC 6749 §5.2), with a further parameter by which its log line is found.
func WriteError(w http.ResponseWriter, e *Error, reference string) {
	body, err := json.Marshal(map[string]string{
		"error": e.Code, "error_description": e.Description, "reference": reference})
	if err != nil {
		panic(err) // cannot happen: all are strings
	}
	WriteJSON(w, e.Status(), body)
}
