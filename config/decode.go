package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// decode decodes the file into the form. What does not fit is a problem.
func (b *builder) decode() form {
	decoded := defaults()
	b.decodeMapping("", b.root, reflect.ValueOf(&decoded).Elem())
	return decoded
}

// entry is a key of a mapping and its value.
type entry struct{ key, value *yaml.Node }

// place returns where an entry is: its value, or its key if the value takes several lines or none.
func (e entry) place() place {
	if e.value.Kind == yaml.ScalarNode && e.value.Tag != "!!null" {
		return place{line: e.value.Line, column: e.value.Column}
	}
	return place{line: e.key.Line, column: e.key.Column}
}

func (b *builder) decodeMapping(path string, mapping *yaml.Node, into reflect.Value) {
	entries := b.entries(path, mapping)
	for _, e := range entries {
		b.places[member(path, e.key.Value)] = e.place()
	}
	b.rejectTwice(path, mapping)
	b.rejectUnknown(path, into.Type(), entries)
	for _, e := range entries {
		if i := fieldIndex(into.Type(), e.key.Value); i >= 0 {
			b.decodeValue(member(path, e.key.Value), e.value, into.Field(i))
		}
	}
}

// entries returns the entries of a mapping, and after them those that it merges by << and does not have itself.
func (b *builder) entries(path string, mapping *yaml.Node) []entry {
	var entries []entry
	var merged []*yaml.Node
	add := func(e entry) {
		if !slices.ContainsFunc(entries, func(other entry) bool { return other.key.Value == e.key.Value }) {
			entries = append(entries, e)
		}
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		switch key, value := mapping.Content[i], dealiased(mapping.Content[i+1]); {
		case key.Kind != yaml.ScalarNode || key.Value == "":
			b.problem(path, "has a key that is not a word", "write keys as in config.example.yaml")
		case key.ShortTag() == "!!merge" && value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
		case key.ShortTag() == "!!merge":
			merged = append(merged, value)
		default:
			add(entry{key, mapping.Content[i+1]})
		}
	}
	b.merging = append(b.merging, mapping)
	for _, other := range merged {
		other = dealiased(other)
		if other.Kind != yaml.MappingNode || slices.Contains(b.merging, other) {
			b.problem(path, "merges what is not another mapping", "write << with the alias of a mapping")
			continue
		}
		for _, e := range b.entries(path, other) {
			add(e)
		}
	}
	b.merging = b.merging[:len(b.merging)-1]
	return entries
}

// rejectTwice reports keys that a mapping has twice.
func (b *builder) rejectTwice(path string, mapping *yaml.Node) {
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		first := mapping.Content[keyIndex(mapping, key.Value)]
		if first != key && key.Kind == yaml.ScalarNode && key.ShortTag() != "!!merge" {
			b.places[member(path, key.Value)] = place{line: key.Line, column: key.Column}
			b.problem(member(path, key.Value), fmt.Sprintf("set a second time, after line %d", first.Line),
				"remove one of the two")
		}
	}
}

func (b *builder) decodeValue(path string, node *yaml.Node, into reflect.Value) {
	node = dealiased(node)
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	b.noteValue(path, node, into.Type())
	isScalar := node.Kind == yaml.ScalarNode
	switch {
	case isScalar && node.ShortTag() == "!!null":
		b.problem(path, "no value", "set a value, or remove the key")
	case isScalar && into.Type() == reflect.TypeFor[oneOrMany]():
		if text := b.text(path, node, into.Type()); text != "" {
			into.Set(reflect.ValueOf(oneOrMany{text}))
		}
	case isScalar:
		b.decodeScalar(path, node, into)
	case node.Kind == yaml.SequenceNode && into.Kind() == reflect.Slice:
		b.decodeList(path, node, into)
	case node.Kind == yaml.MappingNode && into.Kind() == reflect.Struct:
		b.decodeMapping(path, node, into)
	default:
		b.wrongKind(path, node, into.Type())
	}
}

func (b *builder) decodeList(path string, list *yaml.Node, into reflect.Value) {
	into.Set(reflect.MakeSlice(into.Type(), len(list.Content), len(list.Content)))
	for i, node := range list.Content {
		b.places[element(path, i)] = place{line: node.Line, column: node.Column}
		b.decodeValue(element(path, i), node, into.Index(i))
	}
}

func (b *builder) decodeScalar(path string, node *yaml.Node, into reflect.Value) {
	switch value := into.Addr().Interface().(type) {
	case *time.Duration:
		*value = b.duration(path, node)
	case *string:
		*value = b.text(path, node, into.Type())
	case *bool, *int:
		wanted := map[reflect.Kind]string{reflect.Bool: "!!bool", reflect.Int: "!!int"}[into.Kind()]
		if node.ShortTag() != wanted || node.Decode(value) != nil {
			b.wrongKind(path, node, into.Type())
		}
	default:
		b.wrongKind(path, node, into.Type())
	}
}

// text returns a string of the file with its references expanded.
func (b *builder) text(path string, node *yaml.Node, wanted reflect.Type) string {
	if node.ShortTag() != "!!str" {
		b.wrongKind(path, node, wanted)
		return ""
	}
	text := b.expand(path, node.Value)
	switch {
	case strings.ContainsFunc(strings.TrimRight(text, "\r\n"), unicode.IsControl):
		b.problem(path, "contains a line break or another control character",
			"remove it: set one line of text in UTF-8, also in the file or variable that the value comes from")
	case strings.ContainsAny(text, "\r\n"):
		b.problem(path, "ends with a line break", "remove it where the value is set: in YAML write |- for |, "+
			"in a shell printf for echo; or use ${file:path}, which trims both ends")
	}
	return text
}

// duration parses strings such as 1h30m. A bare number has no unit and is rejected.
func (b *builder) duration(path string, node *yaml.Node) time.Duration {
	text := ""
	if node.ShortTag() == "!!str" {
		text = b.text(path, node, reflect.TypeFor[time.Duration]())
	}
	d, err := time.ParseDuration(text)
	b.reject(err != nil, path, "not a duration", `write a number with a unit, such as "90s", "10m" or "1h"`)
	return d
}
