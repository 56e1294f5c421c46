package config

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// reference is $${, which stands for ${, or ${…}, or ${ without its end.
var reference = regexp.MustCompile(`\$\$\{|\$\{[^}]*\}?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${file:path} in all texts below a path. What is put in is not looked at again.
func (s *source) expand(path string, value any) any {
	switch value := value.(type) {
	case string:
		return s.expandText(path, value)
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = s.expand(at(path, i, ""), value[i])
		}
		return list
	case map[string]any:
		group := make(map[string]any, len(value))
		for key := range value {
			below := key
			if path != "" {
				below = path + "." + key
			}
			group[key] = s.expand(below, value[key])
		}
		return group
	}
	return value
}

func (s *source) expandText(path, text string) string {
	var expanded strings.Builder
	rest := 0
	for _, at := range reference.FindAllStringIndex(text, -1) {
		expanded.WriteString(text[rest:at[0]])
		expanded.WriteString(s.replace(path, text, at[0], text[at[0]:at[1]]))
		rest = at[1]
	}
	return expanded.String() + text[rest:]
}

// replace returns what a reference at a place in a text stands for.
func (s *source) replace(path, text string, at int, found string) string {
	if found == "$${" {
		return "${"
	}
	s.expanded[path] = true
	value := s.fill(path, found)
	if isPostgresURL(text) && isValueInURL(text, at) {
		value = strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	}
	return value
}

// isValueInURL says whether a user, a password or the value of a parameter stands at a place in a URL: it may have characters
// that would end it there. A host, a port or a whole query stay as they are.
func isValueInURL(text string, at int) bool {
	return at < strings.LastIndexByte(text, '@') || strings.Contains(text[:at], "?") && strings.HasSuffix(text[:at], "=")
}

// fill returns what a ${…} stands for.
func (s *source) fill(path, found string) string {
	name, ended := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
	if !ended {
		return s.unfilled(path, "a ${ without its }", "write $${ where ${ is meant as it stands")
	}
	if file, isFile := strings.CutPrefix(name, "file:"); isFile {
		return s.included(path, file)
	}
	return s.variable(path, name)
}

func (s *source) variable(path, name string) string {
	if !variableName.MatchString(name) {
		return s.unfilled(path, "${…} does not hold the name of a variable", "write ${NAME} or ${file:path}, or $${ where ${ is meant as it stands")
	}
	value := os.Getenv(name)
	if value == "" {
		return s.unfilled(path, "the variable "+name+" is not set or empty", "set it where the program is started")
	}
	return value
}

// included reads a file, without the white space around what it holds.
func (s *source) included(path, file string) string {
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.dir, file)
	}
	content, err := readBounded(file, maxIncluded)
	if err != nil {
		return s.unfilled(path, "the file "+file+" cannot be used: "+err.Error(), "name a regular file of up to 64 KiB that the program may read")
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return s.unfilled(path, "the file "+file+" is empty", "write the value into it")
	}
	return text
}
