package bridge

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Names of claims with a meaning of their own here (OIDC Core §5.1). Groups are always called groups, whatever the
// provider calls them.
const (
	ClaimEmail             = "email"
	ClaimEmailVerified     = "email_verified"
	ClaimName              = "name"
	ClaimPreferredUsername = "preferred_username"
	ClaimGroups            = "groups"
)

// Identity is whom a provider vouched for. Issuer and Subject together are the person; a subject alone says nothing
// (OIDC Core §5.7).
type Identity struct {
	Provider
	Subject string
	Claims  Claims
}

// Claims are what a provider says of a person, by claim name, with values as encoding/json decodes them, except that a
// number is a [json.Number].
type Claims map[string]any

// UnmarshalJSON decodes an object of claims. Numbers stay as they were written, so that a long one loses no digit.
func (c *Claims) UnmarshalJSON(object []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(c))
}

// String returns a claim that is a text, or nothing.
func (c Claims) String(name string) string {
	text, _ := c[name].(string)
	return text
}

// Strings returns a claim as texts: a text, a number or a boolean is one, a list is as many as it has of these, anything
// else is none.
func (c Claims) Strings(name string) []string {
	list, isList := c[name].([]any)
	if !isList {
		list = []any{c[name]}
	}
	var texts []string
	for _, value := range list {
		switch value := value.(type) {
		case string:
			texts = append(texts, value)
		case bool:
			texts = append(texts, strconv.FormatBool(value))
		case json.Number:
			texts = append(texts, value.String())
		}
	}
	return texts
}

// Only returns the claims of these names that there are. It never returns nil.
func (c Claims) Only(names []string) Claims {
	only := make(Claims, len(names))
	for _, name := range names {
		if value, ok := c[name]; ok && value != nil {
			only[name] = value
		}
	}
	return only
}

// DisplayName is how a page calls the person: a name if there is one, else a user name, else nothing.
func (c Claims) DisplayName() string {
	if name := c.String(ClaimName); name != "" {
		return name
	}
	return c.String(ClaimPreferredUsername)
}

// emailVerified is true for the boolean and for the text "true", which some providers send.
func (c Claims) emailVerified() bool {
	return c[ClaimEmailVerified] == true || c[ClaimEmailVerified] == "true"
}
