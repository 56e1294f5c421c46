package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxQuoted is how many bytes of a value a problem quotes.
const maxQuoted = 80

// noteValue keeps the value at a path for a problem with it. It does not where mappings are expected: one of their
// keys may be a secret that stands in the wrong place.
func (b *builder) noteValue(path string, node *yaml.Node, wanted reflect.Type) {
	for wanted.Kind() == reflect.Slice {
		wanted = wanted.Elem()
	}
	if node.Kind != yaml.ScalarNode || wanted.Kind() == reflect.Struct {
		return
	}
	at := b.places[path]
	at.value = quoted(node)
	b.places[path] = at
}

// quoted returns a scalar as a problem quotes it, or "" for an empty one and for a URL that may contain a password.
func quoted(node *yaml.Node) string {
	text := node.Value
	if strings.Contains(text, "://") && strings.Contains(text, "@") {
		return ""
	}
	if slices.Contains([]string{"!!int", "!!bool", "!!float", "!!timestamp", "!!null"}, node.ShortTag()) || text == "" {
		return text
	}
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return strconv.Quote(text)
}

// wrongKind reports that the value at a path is, say, a list instead of a string.
func (b *builder) wrongKind(path string, node *yaml.Node, wanted reflect.Type) {
	name, hint := kind(wanted)
	what := "not " + name
	if got := map[yaml.Kind]string{yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}[node.Kind]; got != "" {
		what += ", but " + got
	}
	b.problem(path, what, hint)
}

// kind returns what the value of a type is called, and how to write one.
func kind(wanted reflect.Type) (name, hint string) {
	switch {
	case wanted == reflect.TypeFor[oneOrMany]():
		return "a string or a list of strings",
			"write one string, or a list such as [a, b], in quotes if it looks like a number or a date"
	case wanted == reflect.TypeFor[time.Duration]():
		return "a duration", `write a number with a unit, such as "90s", "10m" or "1h"`
	case wanted.Kind() == reflect.Bool:
		return "true or false", "write true or false, without quotes"
	case wanted.Kind() == reflect.Int:
		return "a whole number", "write it in digits, without quotes"
	case wanted.Kind() == reflect.Struct:
		return "a mapping", "write its keys below it, one in each line, all indented by the same spaces"
	case wanted.Kind() == reflect.Slice && wanted.Elem().Kind() == reflect.Struct:
		return "a list", `begin each of its elements with "- ", and indent all keys of an element like the first`
	case wanted.Kind() == reflect.Slice:
		return "a list", "write it as [a, b]"
	}
	return "a string", "write one string, in quotes if it looks like a number or a date"
}
