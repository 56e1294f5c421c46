package scim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// maxBody is how long a body may be in bytes: a user with all attributes that a directory has for them.
const maxBody = 256 << 10

// readBody reads the JSON body of a request. A body without a content type counts as JSON.
func readBody(r *http.Request) ([]byte, error) {
	if contentType := r.Header.Get("Content-Type"); contentType != "" {
		mediaType, _, err := mime.ParseMediaType(contentType)
		if err != nil || mediaType != "application/scim+json" && mediaType != "application/json" {
			return nil, reject(http.StatusUnsupportedMediaType, "",
				"The content type must be application/scim+json or application/json.")
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, reject(http.StatusRequestEntityTooLarge, "", "The body must not be larger than 256 KiB.")
	}
	if err != nil {
		return nil, badRequest(invalidSyntax, "The body could not be read.")
	}
	return body, nil
}

// readUser reads a user as a change of what the request has.
func readUser(r *http.Request) (bridge.DirectoryChange, error) {
	var change bridge.DirectoryChange
	body, err := readBody(r)
	if err == nil {
		err = setAll(&change, body)
	}
	return change, err
}

// setAll takes the attributes of an object into a change.
func setAll(change *bridge.DirectoryChange, object json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil || members == nil {
		return badRequest(invalidSyntax, "A user must be a JSON object.")
	}
	seen := map[string]bool{}
	for member, value := range members {
		name := attributeOf(member)
		if seen[name] {
			return badRequest(invalidSyntax, "An attribute is repeated; names are compared without case.")
		}
		seen[name] = true
		if err := set(change, name, value); err != nil {
			return err
		}
	}
	return nil
}

// Attributes that are kept, as attributeOf returns them.
const (
	attributeID         = "id" // which only the server sets
	attributeUserName   = "username"
	attributeExternalID = "externalid"
	attributeActive     = "active"
)

// attributeOf returns the name of an attribute in the form in which it is compared: without case, and without the
// schema of a user, which may stand before it (RFC 7643 §2.1, RFC 7644 §3.10).
func attributeOf(name string) string {
	return strings.TrimPrefix(strings.ToLower(name), strings.ToLower(userSchema)+":")
}

// set takes an attribute into a change. null is no value, as if the attribute were missing (RFC 7643 §2.5). Attributes
// that are not kept are ignored.
func set(change *bridge.DirectoryChange, attribute string, value json.RawMessage) (err error) {
	if string(value) == "null" {
		return nil
	}
	switch attribute {
	case attributeUserName:
		change.UserName, err = parseName("userName", value)
		if err == nil && *change.UserName == "" {
			err = badRequest(invalidValue, "The attribute userName must not be empty.")
		}
	case attributeExternalID:
		change.ExternalID, err = parseName("externalId", value)
	case attributeActive:
		change.Active, err = parseActive(value)
	}
	return err
}

// parseName parses the value of an attribute by which links are matched, so it is kept as it is or rejected.
func parseName(attribute string, value json.RawMessage) (*string, error) {
	var name string
	if err := json.Unmarshal(value, &name); err != nil {
		return nil, badRequest(invalidValue, "The attribute %s must be a text.", attribute)
	}
	if name != "" && !bridge.IsStorable(name) {
		return nil, badRequest(invalidValue, "The attribute %s is longer than %d bytes, or has a control character.",
			attribute, bridge.MaxStorable)
	}
	return &name, nil
}

// parseActive parses true and false, and the texts True and False, which Entra ID sends.
func parseActive(value json.RawMessage) (*bool, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		text = string(value)
	}
	switch strings.ToLower(text) {
	case "true":
		return new(true), nil
	case "false":
		return new(false), nil
	}
	return nil, badRequest(invalidValue, "The attribute active must be true or false.")
}
