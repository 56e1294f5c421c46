package alexa

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// ErrNotAccountLinking is the error of [AccountLinking.Compare] for what is not the JSON of account linking settings.
var ErrNotAccountLinking = errors.New("not the JSON object of account linking settings")

// Comparison says how account linking settings compare to what they should be.
type Comparison struct {
	Fields      []ComparedField
	NotCompared []string // names of fields that are the skill's own business, sorted
}

// ComparedField is one field of account linking settings.
type ComparedField struct {
	Name  string // as in JSON
	Got   string // empty: it is missing. It is text that others may have written.
	Want  string
	Equal bool
	Note  string // why a difference does not matter; empty: it does
}

// Equal reports whether all compared fields are as they should be.
func (c Comparison) Equal() bool {
	return !slices.ContainsFunc(c.Fields, func(field ComparedField) bool { return !field.Equal })
}

// Compare compares settings that SMAPI returned, as JSON, with what they should be. They may be wrapped in
// accountLinkingResponse or accountLinkingRequest. Lists are compared without their order, and further domains are
// permitted. Settings that were written for SMAPI may contain a client secret, which isSecret judges and which the
// result does not contain.
func (l AccountLinking) Compare(settings []byte, isSecret func(string) bool) (Comparison, error) {
	got, err := unwrap(settings)
	if err != nil {
		return Comparison{}, err
	}
	want, err := l.fields()
	if err != nil {
		return Comparison{}, err
	}
	var result Comparison
	for _, name := range l.compared() {
		if value := got[name]; len(texts(value)) > 0 || name != "defaultTokenExpirationInSeconds" {
			result.Fields = append(result.Fields, compareField(name, withoutSecrets(texts(value), isSecret), texts(want[name])))
		}
		delete(got, name)
	}
	if secret := texts(got["clientSecret"]); l.Type == TypeCode && len(secret) > 0 {
		result.Fields = append(result.Fields, ComparedField{Name: "clientSecret", Got: "a secret",
			Want: "the configured one", Equal: len(secret) == 1 && isSecret(secret[0])})
		delete(got, "clientSecret")
	}
	result.NotCompared = slices.Sorted(maps.Keys(got))
	return result, nil
}

// withoutSecrets replaces the client secret where somebody pasted it into another field.
func withoutSecrets(texts []string, isSecret func(string) bool) []string {
	for i, text := range texts {
		if isSecret(text) {
			texts[i] = "the client secret"
		}
	}
	return texts
}

// compared returns the names of the fields that are compared. Those of the authorization code grant have no meaning
// for the implicit grant.
func (l AccountLinking) compared() []string {
	names := []string{"type", "authorizationUrl", "clientId", "scopes", "domains"}
	if l.Type == TypeCode {
		names = append(names, "accessTokenUrl", "accessTokenScheme", "defaultTokenExpirationInSeconds")
	}
	return names
}

func compareField(name string, got, want []string) ComparedField {
	field := ComparedField{Name: name, Got: strings.Join(got, " "), Want: strings.Join(want, " ")}
	switch name {
	case "domains":
		field.Equal = !slices.ContainsFunc(want, func(host string) bool {
			return !slices.ContainsFunc(got, func(other string) bool { return strings.EqualFold(host, other) })
		})
	default:
		field.Equal = slices.Equal(got, want)
	}
	switch {
	case field.Equal:
	case name == "accessTokenScheme":
		field.Note = "both schemes work"
	case name == "defaultTokenExpirationInSeconds":
		field.Note = "every token response has expires_in, which takes precedence"
	}
	return field
}

// fields returns the settings as a JSON object.
func (l AccountLinking) fields() (map[string]any, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return object(text)
}

// unwrap returns the settings of a JSON text without the objects around them; body is that of the response which the
// ASK CLI prints with --full-response.
func unwrap(text []byte) (map[string]any, error) {
	fields, err := object(text)
	if err != nil {
		return nil, ErrNotAccountLinking
	}
	for _, wrapper := range []string{"body", "accountLinkingResponse", "accountLinkingRequest"} {
		if inner, found := fields[wrapper].(map[string]any); found {
			fields = inner
		}
	}
	if fields["type"] == nil && fields["authorizationUrl"] == nil && fields["clientId"] == nil {
		return nil, ErrNotAccountLinking
	}
	return fields, nil
}

// object decodes a JSON text that is one object.
func object(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return fields, nil
}

// texts returns the values of a JSON value as sorted texts. An empty text is no value.
func texts(value any) []string {
	var found []string
	switch value := value.(type) {
	case nil:
	case string:
		found = []string{value}
	case json.Number:
		found = []string{value.String()}
	case []any:
		for _, element := range value {
			found = append(found, texts(element)...)
		}
	default: // never what a field should be
		found = []string{"of an unexpected type"}
	}
	found = slices.DeleteFunc(found, func(text string) bool { return text == "" })
	slices.Sort(found)
	return slices.Compact(found)
}
