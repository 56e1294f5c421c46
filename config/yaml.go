package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkYAML refuses what viper would take without a word: keys that differ only in upper and lower case, of which one would
// win by chance; a second document, which it would not read; and keys without a value, which would leave a rule out.
func checkYAML(text []byte) Faults {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil // an empty file, of which the missing keys are told
	}
	if err != nil {
		return Faults{notYAML(err)}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Faults{{What: "the file holds more than one YAML document", Cure: "remove the line --- and what does not belong here"}}
	}
	var faults Faults
	checkNode("", &document, &faults)
	return faults
}

func checkNode(path string, node *yaml.Node, faults *Faults) {
	switch node.Kind {
	case yaml.DocumentNode:
		for _, content := range node.Content {
			checkNode(path, content, faults)
		}
	case yaml.SequenceNode:
		for i, content := range node.Content {
			checkNode(at(path, i, ""), content, faults)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			checkKey(path, node.Content[i], node.Content[i+1], faults)
		}
	}
}

func checkKey(path string, key, value *yaml.Node, faults *Faults) {
	below := key.Value
	if path != "" {
		below = path + "." + below
	}
	fault := func(what, cure string) { *faults = append(*faults, Fault{below, what, cure}) }
	switch {
	case key.Kind != yaml.ScalarNode || key.Value != strings.ToLower(key.Value):
		fault(fmt.Sprintf("not a key (line %d)", key.Line), "write keys in lower case, as in config.example.yaml")
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		fault("has no value", "give it one, or remove the key")
	default:
		checkNode(below, value, faults)
	}
}

// notYAML words an error of the YAML parser, up to where it begins to quote the file, which may be a secret.
func notYAML(err error) Fault {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if i := strings.IndexAny(text, "\"'`\n"); i >= 0 {
		text = strings.TrimRight(text[:i], " :") + " …"
	}
	return Fault{What: "the configuration is not YAML: " + text, Cure: "mend the line; text with special characters needs quotes"}
}
