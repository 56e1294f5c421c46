package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// decode expands the settings and decodes them into the form. What does not fit is a problem.
func (b *builder) decode() form {
	decoded := defaults()
	b.settings, _ = b.expand("", b.settings).(map[string]any)
	var metadata mapstructure.Metadata
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     &decoded,
		Metadata:   &metadata,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(decodeDuration, decodeOneOrMany),
	})
	if err != nil {
		panic(err) // only if Result is not a pointer
	}
	b.decodeProblems(decoder.Decode(b.settings))
	for _, path := range metadata.Unused {
		hint := "remove it"
		if suggestion := nearestKey(path); suggestion != "" {
			hint = fmt.Sprintf("did you mean %q?", suggestion)
		}
		b.problem(path, "unknown key", hint)
	}
	return decoded
}

var errNotDuration = errors.New("not a duration")

// decodeDuration parses strings such as 1h30m. A bare number has no unit and is rejected.
func decodeDuration(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	text, _ := value.(string)
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, errNotDuration
	}
	return d, nil
}

func decodeOneOrMany(_, to reflect.Type, value any) (any, error) {
	text, isString := value.(string)
	if to != reflect.TypeFor[oneOrMany]() || !isString {
		return value, nil
	}
	if text == "" {
		return []string{}, nil
	}
	return []string{text}, nil
}

// decodeProblems turns the decoder's errors into problems, without the values that they quote.
func (b *builder) decodeProblems(err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, one := range joined.Unwrap() {
			b.decodeProblems(one)
		}
		return
	}
	decode, ok := errors.AsType[*mapstructure.DecodeError](err)
	switch {
	case !ok:
	case errors.Is(decode.Unwrap(), errNotDuration):
		b.problem(decode.Name(), "not a duration", `write a number with a unit, such as "90s", "10m" or "1h"`)
	default:
		b.problem(decode.Name(), "not "+typeName(decode.Name()), "correct it; quote a string that looks like a number")
	}
}

// typeName describes the type that the form has at a path.
func typeName(path string) string {
	typ := typeAt(path)
	switch typ {
	case nil:
		return "of the expected type"
	case reflect.TypeFor[oneOrMany]():
		return "a string or a list of strings"
	}
	return map[reflect.Kind]string{reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "an integer",
		reflect.Slice: "a list", reflect.Struct: "a mapping"}[typ.Kind()]
}

var index = regexp.MustCompile(`\[\d+\]`)

// typeAt returns the type that the form has at a path, or nil.
func typeAt(path string) reflect.Type {
	typ := reflect.TypeFor[form]()
	if path == "" {
		return typ
	}
	for key := range strings.SplitSeq(path, ".") {
		name := index.ReplaceAllString(key, "")
		field, found := fieldNamed(typ, name)
		if !found {
			return nil
		}
		typ = field
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if name != key && typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
	}
	return typ
}

func fieldNamed(typ reflect.Type, name string) (reflect.Type, bool) {
	if typ.Kind() != reflect.Struct {
		return nil, false
	}
	for field := range typ.Fields() {
		if field.Tag.Get("mapstructure") == name {
			return field.Type, true
		}
	}
	return nil, false
}

// nearestKey returns the known key that is most similar to the last key of a path, or "" if none is similar.
func nearestKey(path string) string {
	parent, unknown := "", path
	if i := strings.LastIndex(path, "."); i >= 0 {
		parent, unknown = path[:i], path[i+1:]
	}
	typ := typeAt(parent)
	if typ == nil || typ.Kind() != reflect.Struct {
		return ""
	}
	nearest, limit := "", 1+len(unknown)/3
	for field := range typ.Fields() {
		key := field.Tag.Get("mapstructure")
		if d := levenshtein(unknown, key); d <= limit {
			nearest, limit = key, d-1
		}
	}
	return nearest
}

// levenshtein returns the edit distance of two strings.
func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{substitution, row[j] + 1, diagonal + 1})
		}
	}
	return row[len(b)]
}
