package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Line   int    // of the key or its value, from 1; 0: not in the file, such as an environment variable
	Column int    // from 1; 0 if Line is 0
	Path   string // of the key, such as skills[0].provider; empty: the file as a whole
	What   string // what is wrong, with the offending value unless it may be a secret
	Hint   string // what to do
}

// String returns "line:column: path: what is wrong; what to do".
func (p Problem) String() string { return located(p.Line, p.Column, p.Path, p.What+"; "+p.Hint) }

// Problems are all problems of a configuration, in the order of their lines.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return Problems(slices.SortedStableFunc(slices.Values(p), func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	}))
}

// Warning is about a setting that is legal but unwise.
type Warning struct {
	Line   int // as in [Problem]
	Column int
	Path   string
	Text   string
}

// String returns "line:column: path: text".
func (w Warning) String() string { return located(w.Line, w.Column, w.Path, w.Text) }

// sortedWarnings returns warnings in the order of their lines.
func sortedWarnings(warnings []Warning) []Warning {
	return slices.SortedStableFunc(slices.Values(warnings), func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// located puts a position and a path before a text, as far as they are known.
func located(line, column int, path, text string) string {
	if path != "" {
		text = path + ": " + text
	}
	if line > 0 {
		text = fmt.Sprintf("%d:%d: %s", line, column, text)
	}
	return text
}
