package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse returns the mapping at the top of the configuration file. The error is [Problems].
func parse(text []byte) (*yaml.Node, error) {
	documents, err := parseDocuments(text)
	if err != nil {
		return nil, Problems{notYAML(text, err)}
	}
	if len(documents) > 1 {
		second := documents[1].Content[0]
		return nil, Problems{{Line: second.Line, Column: second.Column,
			What: "the file contains more than one YAML document", Hint: "remove all documents but one"}}
	}
	if len(documents) == 0 || documents[0].Content[0].Tag == "!!null" {
		return &yaml.Node{Kind: yaml.MappingNode}, nil // an empty file; the missing keys are reported later
	}
	root := documents[0].Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, Problems{{Line: root.Line, Column: root.Column,
			What: "the file is not a mapping", Hint: "write keys with their values, as in config.example.yaml"}}
	}
	return root, nil
}

func parseDocuments(text []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var documents []*yaml.Node
	for {
		document := new(yaml.Node)
		err := decoder.Decode(document)
		switch {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, err
		}
		documents = append(documents, document)
	}
}

// notYAML describes an error of the YAML parser, up to where the error quotes the file: that may be a secret.
func notYAML(text []byte, err error) Problem {
	message := messageOf(err)
	expected := strings.HasPrefix(message, "did not find expected ") // and then punctuation, as in ',' or ']'
	if i := strings.IndexAny(message, "\"'`\n"); i >= 0 && !expected {
		message = strings.TrimRight(message[:i], " :") + " …"
	}
	line, column := faultyLine(text, err)
	return Problem{Line: line, Column: column, What: "the configuration is not YAML: " + message,
		Hint: "correct the line, or the one above: indent it by spaces like its neighbours, close quotes and brackets, " +
			"and quote strings with special characters"}
}

var yamlLine = regexp.MustCompile(`^yaml: (line \d+: )?`)

// messageOf removes the line from an error of the YAML parser: it is often that of another line.
func messageOf(err error) string { return yamlLine.ReplaceAllString(err.Error(), "") }

// faultyLine returns the first line with which the parser fails as it does for the whole text, and the column where
// its text begins.
func faultyLine(text []byte, err error) (line, column int) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	i := sort.Search(len(lines)-1, func(i int) bool {
		_, failed := parseDocuments(bytes.Join(lines[:i+1], nil))
		return failed != nil && messageOf(failed) == messageOf(err)
	})
	return i + 1, 1 + len(lines[i]) - len(bytes.TrimLeft(lines[i], " \t"))
}
