package config

import (
	"net/url"
	"os"
	"regexp"
	"strings"
)

// reference matches $${, which stands for a literal ${, and ${…}, and a ${ that is not closed.
var reference = regexp.MustCompile(`\$\$\{|\$\{[^}]*\}?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${file:path} in the string at a path. What is inserted is not expanded again.
func (b *builder) expand(path, text string) string {
	var expanded strings.Builder
	end := 0 // of what is expanded so far
	for _, at := range reference.FindAllStringIndex(text, -1) {
		expanded.WriteString(text[end:at[0]])
		expanded.WriteString(b.replacement(path, text, at[0], text[at[0]:at[1]]))
		end = at[1]
	}
	return expanded.String() + text[end:]
}

// replacement returns what to insert for a reference at an offset of a text.
func (b *builder) replacement(path, text string, offset int, found string) string {
	if found == "$${" {
		return "${"
	}
	b.external[path] = true
	value := b.resolve(path, found)
	if isPostgresURL(text) && isURLValue(text, offset) {
		value = strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	}
	return value
}

// isURLValue reports whether an offset is in the user information of a URL or in the value of a parameter, where text
// must be escaped. A host, a port or a whole query are inserted as they are.
func isURLValue(text string, offset int) bool {
	before := text[:offset]
	return offset < strings.LastIndexByte(text, '@') || strings.Contains(before, "?") && strings.HasSuffix(before, "=")
}

// resolve returns the value of a ${…}.
func (b *builder) resolve(path, found string) string {
	name, closed := strings.CutSuffix(strings.TrimPrefix(found, "${"), "}")
	if !closed {
		return b.unresolvable(path, "a ${ is not closed by }", "write $${ for a literal ${")
	}
	if file, isFile := strings.CutPrefix(name, "file:"); isFile {
		return b.fileContent(path, file)
	}
	if !variableName.MatchString(name) {
		return b.unresolvable(path, "${…} does not contain the name of a variable",
			"write ${NAME} or ${file:path}, or $${ for a literal ${")
	}
	value := os.Getenv(name)
	if value == "" {
		return b.unresolvable(path, "the environment variable "+name+" is unset or empty", "set it for the program")
	}
	return value
}

// unresolvable reports a problem with a ${…}.
func (b *builder) unresolvable(path, what, hint string) string {
	b.problem(path, what, hint)
	return ""
}

// fileContent reads a file and trims white space at both ends.
func (b *builder) fileContent(path, file string) string {
	file = b.absolute(file)
	content, err := readBounded(file, maxIncluded)
	if err != nil {
		return b.unresolvable(path, "the file "+file+" cannot be read: "+err.Error(),
			"set the path of a regular file of at most 64 KiB that the program may read")
	}
	b.files[path] = append(b.files[path], file)
	text := strings.TrimSpace(string(content))
	if text == "" {
		return b.unresolvable(path, "the file "+file+" is empty", "write the value into it")
	}
	return text
}
