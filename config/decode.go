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

// decode reads the settings into the form. What does not fit is a fault.
func (s *source) decode() form {
	decoded := defaults()
	s.settings, _ = s.expand("", s.settings).(map[string]any)
	var metadata mapstructure.Metadata
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     &decoded,
		Metadata:   &metadata,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(durations, onesAsMany),
	})
	if err != nil {
		panic(err) // only for a result that is not a pointer
	}
	s.mistyped(decoder.Decode(s.settings))
	for _, path := range metadata.Unused {
		cure := "remove it"
		if suggestion := nearestKey(path); suggestion != "" {
			cure = fmt.Sprintf("did you mean %q?", suggestion)
		}
		s.fault(path, "unknown key", cure)
	}
	return decoded
}

// durations reads texts such as 1h30m. A bare number has no unit and is refused by its type.
func durations(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	text, isText := value.(string)
	if !isText {
		return nil, errNoDuration
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, errNoDuration
	}
	return d, nil
}

var errNoDuration = errors.New("not a duration")

func onesAsMany(from, to reflect.Type, value any) (any, error) {
	text, isText := value.(string)
	if to != reflect.TypeFor[oneOrMany]() || !isText {
		return value, nil
	}
	if text == "" {
		return []string{}, nil
	}
	return []string{text}, nil
}

// mistyped turns the decoder's errors into faults, without the values that they quote.
func (s *source) mistyped(err error) {
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, one := range several.Unwrap() {
			s.mistyped(one)
		}
		return
	}
	decode, ok := errors.AsType[*mapstructure.DecodeError](err)
	if !ok {
		return
	}
	inner := decode.Unwrap()
	switch {
	case errors.Is(inner, errNoDuration):
		s.fault(decode.Name(), "not a duration", `write a number with its unit, such as "90s", "10m" or "1h"`)
	default:
		s.fault(decode.Name(), "not "+kindWanted(decode.Name()), "mend it; text that looks like a number needs quotes")
	}
}

// kindWanted says in words what the form has at a path.
func kindWanted(path string) string {
	typ := typeAt(path)
	if typ == nil {
		return "of the right form"
	}
	if typ == reflect.TypeFor[oneOrMany]() {
		return "a text or a list of texts"
	}
	switch typ.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	}
	return "a group of keys"
}

var index = regexp.MustCompile(`\[\d+\]`)

// typeAt follows a path through the form. nil: there is nothing.
func typeAt(path string) reflect.Type {
	typ := reflect.TypeFor[form]()
	if path == "" {
		return typ
	}
	for _, key := range strings.Split(path, ".") {
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

// nearestKey returns the key that was probably meant, or nothing.
func nearestKey(path string) string {
	parent, wrong := "", path
	if i := strings.LastIndex(path, "."); i >= 0 {
		parent, wrong = path[:i], path[i+1:]
	}
	typ := typeAt(parent)
	if typ == nil || typ.Kind() != reflect.Struct {
		return ""
	}
	best, bestDistance := "", 1+len(wrong)/3
	for field := range typ.Fields() {
		key := field.Tag.Get("mapstructure")
		if d := distance(wrong, key); d <= bestDistance {
			best, bestDistance = key, d-1
		}
	}
	return best
}

// distance is how many letters must be changed, added or taken away to make one word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = slices.Min([]int{change, row[j] + 1, before + 1})
		}
	}
	return row[len(b)]
}
