package bridge

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// WriteJSON answers a program: with what no cache keeps, and no browser takes for a page.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
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
