package scim

import (
	"encoding/json"
	"net/http"
	"strings"

	filter "github.com/scim2/filter-parser/v2"

	"alexa-oidc-bridge/bridge"
)

const (
	// maxOperations is how many operations a request may have.
	maxOperations = 256
	// maxPath is how long a path may be in bytes. The parser takes quadratic time for a long name.
	maxPath = 256
)

// operation is one operation of a PATCH request.
type operation struct {
	Op    string
	Path  string
	Value json.RawMessage
}

// readPatch reads a PATCH request as the change that its operations amount to.
func readPatch(r *http.Request) (bridge.DirectoryChange, error) {
	body, err := readBody(r)
	if err != nil {
		return bridge.DirectoryChange{}, err
	}
	return parsePatch(body)
}

func parsePatch(body []byte) (change bridge.DirectoryChange, err error) {
	var patch struct{ Operations []operation }
	if err := json.Unmarshal(body, &patch); err != nil {
		return change, badRequest(invalidSyntax,
			"The body must be an object with Operations, a list of objects with op, path and value.")
	}
	if n := len(patch.Operations); n == 0 || n > maxOperations {
		return change, badRequest(invalidSyntax, "Operations must have 1 to %d elements.", maxOperations)
	}
	for _, op := range patch.Operations {
		if err := op.apply(&change); err != nil {
			return change, err
		}
	}
	return change, nil
}

// apply takes the operation into a change. Its name is compared without case: Entra ID writes Replace.
func (op operation) apply(change *bridge.DirectoryChange) error {
	attribute, err := parsePath(op.Path)
	if err != nil {
		return err
	}
	switch strings.ToLower(op.Op) {
	case "add", "replace":
		switch {
		case len(op.Value) == 0:
			return badRequest(invalidValue, "The operation has no value.")
		case op.Path == "":
			return setAll(change, op.Value)
		}
		return set(change, attribute, op.Value)
	case "remove":
		if op.Path == "" {
			return badRequest(noTarget, "The operation remove has no path.")
		}
		return remove(change, attribute)
	}
	return badRequest(invalidSyntax, "The op must be add, replace or remove.")
}

// remove takes an attribute out. A user without active is as active as before.
func remove(change *bridge.DirectoryChange, attribute string) error {
	switch attribute {
	case attributeUserName:
		return badRequest(mutability, "The attribute userName is required.")
	case attributeExternalID:
		change.ExternalID = new(string)
	}
	return nil
}

// parsePath returns the attribute of a path as attributeOf does; of no path, and of one into another schema, "".
func parsePath(path string) (string, error) {
	lower := strings.ToLower(path)
	isForeign := strings.HasPrefix(lower, "urn:") && !strings.HasPrefix(lower, strings.ToLower(userSchema)+":")
	if path == "" || isForeign {
		return "", nil
	}
	if len(path) > maxPath {
		return "", badRequest(invalidPath, "A path is longer than %d bytes.", maxPath)
	}
	parsed, err := filter.ParsePath([]byte(path))
	if err != nil {
		return "", badRequest(invalidPath, "A path is malformed.")
	}
	attribute := strings.ToLower(parsed.AttributePath.AttributeName)
	isPart := parsed.AttributePath.SubAttribute != nil || parsed.ValueExpression != nil || parsed.SubAttribute != nil
	switch attribute {
	case attributeUserName, attributeExternalID, attributeActive:
		if isPart {
			return "", badRequest(invalidPath, "The attributes userName, externalId and active have no parts.")
		}
	}
	return attribute, nil
}
