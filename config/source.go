package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Limits of the configuration file and of the files that it includes by ${file:…}.
const (
	maxFile     = 1 << 20
	maxIncluded = 64 << 10
)

// builder reads the configuration file, checks it and turns it into what the program runs on. It collects problems
// and warnings.
type builder struct {
	dir          string
	settings     map[string]any  // of the file, overridden by the environment
	external     map[string]bool // the paths of strings that come from ${…} or the environment
	unresolved   map[string]bool // the paths of strings that could not be expanded; nothing else is reported about these
	emailTrusted map[string]bool // by provider id
	problems     Problems
	warnings     []Warning
}

func (b *builder) problem(path, what, hint string) {
	if !b.unresolved[path] {
		b.problems = append(b.problems, Problem{path, what, hint})
	}
}

// reject reports a problem if a condition holds.
func (b *builder) reject(condition bool, path, what, hint string) {
	if condition {
		b.problem(path, what, hint)
	}
}

// unresolvable reports a problem of a ${…}, after which the string is not checked further.
func (b *builder) unresolvable(path, what, hint string) string {
	b.problem(path, what, hint)
	b.unresolved[path] = true
	return ""
}

func open(path string) (*builder, error) {
	text, err := readBounded(path, maxFile)
	if err != nil {
		return nil, Problems{{What: "the configuration file cannot be read: " + err.Error(),
			Hint: "set its path by --config or $BRIDGE_CONFIG; start from config.example.yaml"}}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if problems := checkYAML(text); len(problems) > 0 {
		return nil, problems
	}
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return nil, Problems{notYAML(err)}
	}
	external := map[string]bool{}
	for _, key := range overridable() {
		variable := "BRIDGE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		if err := v.BindEnv(key, variable); err != nil {
			return nil, err
		}
		external[key] = os.Getenv(variable) != ""
	}
	return &builder{dir: filepath.Dir(absolute), settings: v.AllSettings(), external: external,
		unresolved: map[string]bool{}, emailTrusted: map[string]bool{}}, nil
}

// readBounded reads a regular file of at most limit bytes. A device or a pipe might never end.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("larger than %d KiB", limit>>10)
	}
	return text, err
}

// withoutPath removes the path from an error: it may come from the value of a secret.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// keepOnly removes all top-level keys but one.
func (b *builder) keepOnly(key string) {
	maps.DeleteFunc(b.settings, func(other string, _ any) bool { return other != key })
}

// checkYAML rejects what viper accepts silently: keys that differ only in case, of which an arbitrary one would win;
// a second document, which would be ignored; and keys without a value, which would drop a rule.
func checkYAML(text []byte) Problems {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil // an empty file; the missing keys are reported later
	}
	if err != nil {
		return Problems{notYAML(err)}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Problems{{What: "the file contains more than one YAML document", Hint: "remove all documents but one"}}
	}
	return checkNode("", document.Content[0])
}

func checkNode(path string, node *yaml.Node) Problems {
	var problems Problems
	switch node.Kind {
	case yaml.SequenceNode:
		for i, content := range node.Content {
			problems = append(problems, checkNode(element(path, i), content)...)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			problems = append(problems, checkEntry(path, node.Content[i], node.Content[i+1])...)
		}
	}
	return problems
}

func checkEntry(parent string, key, value *yaml.Node) Problems {
	path := member(parent, key.Value)
	switch {
	case key.Kind != yaml.ScalarNode || key.Value != strings.ToLower(key.Value):
		what := fmt.Sprintf("not a key (line %d)", key.Line)
		return Problems{{path, what, "write keys in lower case, as in config.example.yaml"}}
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		return Problems{{path, "no value", "set a value, or remove the key"}}
	}
	return checkNode(path, value)
}

// notYAML describes an error of the YAML parser, up to where the error quotes the file: that may be a secret.
func notYAML(err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if i := strings.IndexAny(text, "\"'`\n"); i >= 0 {
		text = strings.TrimRight(text[:i], " :") + " …"
	}
	return Problem{
		What: "the configuration is not YAML: " + text,
		Hint: "correct the line; quote strings with special characters",
	}
}
