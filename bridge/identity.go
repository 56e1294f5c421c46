package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode"
)

// Names of claims that the bridge itself reads (OIDC Core §5.1). Groups are always called groups, whatever the
// provider calls them.
const (
	ClaimEmail             = "email"
	ClaimEmailVerified     = "email_verified"
	ClaimName              = "name"
	ClaimPreferredUsername = "preferred_username"
	ClaimGroups            = "groups"
)

// Identity is a person as a provider identified them. Issuer and Subject together are the person, never the subject
// alone (OIDC Core §5.7).
type Identity struct {
	Provider
	Subject string
	Claims  Claims
}

// Person returns the hash of issuer and subject: the same for every sign-in of one person. No issuer contains the NUL
// that separates the two.
func (i Identity) Person() Hash { return HashOf(i.Issuer + "\x00" + i.Subject) }

// Claims are a provider's claims about a person, by claim name. Values are as encoding/json decodes them, except that
// a number is a [json.Number].
type Claims map[string]any

// UnmarshalJSON decodes an object of claims. Numbers keep all their digits.
func (c *Claims) UnmarshalJSON(object []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(c))
}

// String returns a claim that is a string, or "".
func (c Claims) String(name string) string {
	text, _ := c[name].(string)
	return text
}

// Strings returns a claim as strings: one for a string, number or boolean, one for each such element of a list, none
// for anything else.
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

// Only returns the named claims that are present. It never returns nil.
func (c Claims) Only(names []string) Claims {
	only := make(Claims, len(names))
	for _, name := range names {
		if value, ok := c[name]; ok && value != nil {
			only[name] = value
		}
	}
	return only
}

// MaxKeptClaims bounds the claims that are stored with a link, in bytes as an export writes them. Otherwise the link of
// one person could make an export impossible.
const MaxKeptClaims = 48 << 10

// CheckSize returns an error if the claims are larger than [MaxKeptClaims].
func (c Claims) CheckSize() error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	size := len(text)
	for _, r := range string(text) {
		if unicode.IsControl(r) {
			size += len(`\u007f`)
		}
	}
	if size > MaxKeptClaims {
		return fmt.Errorf("the claims to be stored with the link have %d bytes, and at most %d are possible", size,
			MaxKeptClaims)
	}
	return nil
}

// DisplayName returns the name that a page shows: the name, else the preferred user name, else "".
func (c Claims) DisplayName() string {
	if name := c.String(ClaimName); name != "" {
		return name
	}
	return c.String(ClaimPreferredUsername)
}

// EmailVerified reports whether the provider has verified the e-mail address (OIDC Core §5.1). It accepts the boolean
// true and the string "true", which some providers send.
func (c Claims) EmailVerified() bool {
	return c[ClaimEmailVerified] == true || c[ClaimEmailVerified] == "true"
}
