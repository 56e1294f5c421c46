package lookup

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// object is a JSON object. Its names are exact, and of equal names the last one counts, as in other languages: decoding
// into a struct ignores case, and mixes the values of equal names.
type object = map[string]any

// maxTime is the end of the year 9999, in seconds since 1970.
const maxTime = 253_402_300_799

// reader reads the members of an object. After a value of another type than is asked for, err is not nil.
type reader struct {
	root object
	err  error
}

// readObject reads a JSON object in UTF-8.
func readObject(data []byte) *reader {
	if !utf8.Valid(data) {
		return &reader{err: errors.New("it is not UTF-8")}
	}
	var r reader
	if json.Unmarshal(data, &r.root) != nil {
		r.err = errors.New("it is not a JSON object")
	}
	return &r
}

// text returns the text at a path of names, or "" if it is absent or null.
func (r *reader) text(path ...string) string {
	var value any = r.root
	for _, name := range path {
		parent, isObject := value.(object)
		if value != nil && !isObject {
			r.err = fmt.Errorf("it has another value than an object around %s", name)
			return ""
		}
		value = parent[name]
	}
	return member[string](r, path[len(path)-1], value)
}

// time returns a time in seconds since 1970, or 0 if it is absent or null.
func (r *reader) time(name string) int64 {
	seconds := member[float64](r, name, r.root[name])
	if seconds < 0 || seconds > maxTime || seconds != math.Trunc(seconds) {
		r.err = fmt.Errorf("%s is not a time", name)
		return 0
	}
	return int64(seconds)
}

// member returns a value of a type, or the zero value of it for nil.
func member[T any](r *reader, name string, value any) (result T) {
	result, isT := value.(T)
	if value != nil && !isT {
		r.err = fmt.Errorf("%s has another type than %T", name, result)
	}
	return result
}
