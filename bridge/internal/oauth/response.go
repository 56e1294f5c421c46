package oauth

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// forPrograms are the headers of every answer to a program: no cache keeps it, and no browser takes it for a page. They are only
// read, by all answers at once.
var forPrograms = []struct {
	name   string
	values []string
}{
	{"Content-Type", []string{"application/json"}},
	{"Cache-Control", []string{"no-store"}},
	{"Pragma", []string{"no-cache"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Referrer-Policy", []string{"no-referrer"}},
}

// WriteJSON answers a program.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	for i := range forPrograms {
		header[forPrograms[i].name] = forPrograms[i].values
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body) // an error means that the client has gone
}

// WriteError answers a program with an OAuth error (RFC 6749 §5.2).
func WriteError(w http.ResponseWriter, status int, fault *Error) {
	body, err := json.Marshal(map[string]string{"error": fault.Code, "error_description": fault.Description})
	if err != nil {
		panic(err) // never: these are texts
	}
	WriteJSON(w, status, body)
}
