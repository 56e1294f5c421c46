package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// rejectUnknown reports the entries of a mapping that the form does not have there. Keys that follow each other and
// belong to the same other mapping are one problem.
func (b *builder) rejectUnknown(path string, typ reflect.Type, entries []entry) {
	var above *entry // the last known one
	reported := "-"
	for i, e := range entries {
		at := member(path, e.key.Value)
		if fieldIndex(typ, e.key.Value) >= 0 {
			above, reported = &entries[i], "-"
			continue
		}
		b.places[at] = place{line: e.key.Line, column: e.key.Column}
		owner, indent, found := b.owner(path, above, e.key.Value)
		if !found {
			b.problem(at, "unknown key", b.suggestion(path, typ, e.key.Value))
			continue
		}
		b.excused[member(owner, e.key.Value)] = true
		if owner != reported {
			b.problem(at, "unknown key", fmt.Sprintf("it is a key of %s: indent it %s", nameOf(owner), indent))
		}
		reported = owner
	}
}

// nameOf returns a path, or the name of the empty one.
func nameOf(path string) string {
	if path == "" {
		return "the top level"
	}
	return path
}

// suggestion returns what to do about a key that does not exist, and excuses the key that was probably meant.
func (b *builder) suggestion(path string, typ reflect.Type, key string) string {
	nearest := nearestKey(typ, key)
	if nearest == "" {
		return "remove it"
	}
	b.excused[member(path, nearest)] = true
	return fmt.Sprintf("did you mean %q?", nearest)
}

// owner returns the mapping that a key was probably meant for, and how to indent it: that of the entry above it, or
// one of those around it that lacks it. An entry above without a value is excused.
func (b *builder) owner(path string, above *entry, key string) (owner, indent string, found bool) {
	if above != nil {
		owner = member(path, above.key.Value)
		isEmpty := above.value.Tag == "!!null"
		typ := typeAt(owner)
		if typ.Kind() == reflect.Slice {
			owner, typ = element(owner, max(0, len(dealiased(above.value).Content)-1)), typ.Elem()
		}
		if fieldIndex(typ, key) >= 0 {
			if isEmpty {
				b.faulty[member(path, above.key.Value)] = true
			}
			return owner, "further than " + above.key.Value, true
		}
	}
	for path != "" {
		path = parent(path)
		_, present := b.places[member(path, key)]
		if typ := typeAt(path); typ != nil && fieldIndex(typ, key) >= 0 && !present {
			return path, "less, as the other keys there", true
		}
	}
	return "", "", false
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
		i := fieldIndex(typ, name)
		if i < 0 {
			return nil
		}
		typ = typ.Field(i).Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if name != key && typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
	}
	return typ
}

// fieldIndex returns the index of the field for a key in a type, or -1.
func fieldIndex(typ reflect.Type, key string) int {
	if typ.Kind() != reflect.Struct {
		return -1
	}
	return slices.IndexFunc(reflect.VisibleFields(typ), func(field reflect.StructField) bool {
		return field.Tag.Get("yaml") == key
	})
}

// nearestKey returns the key of a type that is most similar to an unknown one, or "" if none is similar.
func nearestKey(typ reflect.Type, unknown string) string {
	nearest, limit := "", 1+len(unknown)/3
	for field := range typ.Fields() {
		key := field.Tag.Get("yaml")
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
