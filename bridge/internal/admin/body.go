package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/operator"
)

// maxBody is how long a body may be in bytes.
const maxBody = 16 << 10

// readBody reads the JSON object in the body of a request, and calls a function for each member. An empty body is an
// empty object, of any content type.
func readBody(r *http.Request, set func(name string, value json.RawMessage) error) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return reject(http.StatusRequestEntityTooLarge, oauth.InvalidRequest, "The body must not be larger than %d KiB.",
			maxBody>>10)
	}
	if err != nil {
		return badRequest("The body could not be read.")
	}
	if len(body) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return reject(http.StatusUnsupportedMediaType, oauth.InvalidRequest, "The content type must be application/json.")
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return badRequest("The body is not JSON in UTF-8.")
	}
	return readObject(body, set)
}

// readObject calls a function for each member of an object in valid JSON, of which none may be repeated: readers differ
// in which of them counts.
func readObject(text []byte, set func(name string, value json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return badRequest("An object is expected.")
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err // cannot happen: the JSON is valid
		}
		name := token.(string)
		if seen[name] {
			return badRequest("A member is repeated.")
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err // cannot happen either
		}
		if err := set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// readText reads a member that is a text, and not null.
func readText(value json.RawMessage) (string, error) {
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil {
		return "", badRequest("A value that must be a text is not one.")
	}
	return *text, checkText(*text)
}

// readReason reads why links end.
func readReason(value json.RawMessage) (bridge.Reason, error) {
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil || !operator.IsPrintable(*text) {
		return "", badRequest("reason must be a text of 1 to 200 printable ASCII characters.")
	}
	reason := bridge.Reason(*text)
	if reason.IsOwn() {
		return "", badRequest("reason must not be a word that the bridge itself uses for a reason: say it in other words.")
	}
	return reason, nil
}
