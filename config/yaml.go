package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkYAML rejects what viper accepts silently: keys that differ only in case, of which an arbitrary one would win; a
// second document, which would be ignored; and keys without a value, which would drop a rule.
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
	return checkNode("", &document)
}

func checkNode(path string, node *yaml.Node) Problems {
	var problems Problems
	switch node.Kind {
	case yaml.DocumentNode:
		for _, content := range node.Content {
			problems = append(problems, checkNode(path, content)...)
		}
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
