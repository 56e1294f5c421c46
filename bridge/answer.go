package bridge

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// WriteJSON answers a program: with what no cache keeps, and no browser takes for a page.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	// All values stand in one array: lookups come this way.
	values := []string{"application/json", strconv.Itoa(len(body)), "no-store", "no-cache", "nosniff", "no-referrer"}
	header["Content-Type"] = values[0:1:1]
	header["Content-Length"] = values[1:2:2]
	header["Cache-Control"] = values[2:3:3]
	header["Pragma"] = values[3:4:4]
	header["X-Content-Type-Options"] = values[4:5:5]
	header["Referrer-Policy"] = values[5:6:6]
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
