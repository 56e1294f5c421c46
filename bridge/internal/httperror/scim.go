package httperror

import (
	"encoding/json"
	"net/http"
	"strconv"

	"alexa-oidc-bridge/bridge/internal/reference"
)

// scimError is an error as a directory reads it (RFC 7644 §3.12).
type scimError struct {
	Schemas  []string `json:"schemas"`
	Status   string   `json:"status"`
	SCIMType string   `json:"scimType,omitempty"`
	Detail   string   `json:"detail"`
}

// respondSCIM writes an error for a directory. Its detail, which administrators read in the directory's log, has the
// reference by which ours is searched.
func respondSCIM(w http.ResponseWriter, e *Error, ref reference.Reference) {
	status := e.OAuth.Status()
	body, err := json.Marshal(scimError{
		Schemas:  []string{"urn:ietf:params:scim:api:messages:2.0:Error"},
		Status:   strconv.Itoa(status),
		SCIMType: e.SCIMType,
		Detail:   e.OAuth.Description + " Reference: " + string(ref),
	})
	if err != nil {
		panic(err) // cannot happen: all are strings
	}
	setRetryAfter(w, status)
	WriteSCIM(w, status, body)
}

// WriteSCIM writes a response of SCIM (RFC 7644 §3.1), which no cache stores.
func WriteSCIM(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/scim+json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	if status != http.StatusNoContent {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	w.Write(body) // fails only when the client has closed the connection
}
