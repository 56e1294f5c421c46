package config

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Path string // of the key, such as skills[0].provider; empty: the file as a whole
	What string // what is wrong
	Hint string // what to do
}

// String returns "path: what is wrong; what to do".
func (p Problem) String() string {
	text := p.What + "; " + p.Hint
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	return text
}

// Problems are all problems of a configuration, ordered by path.
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
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(sorted)
}

// Warning is about a setting that is legal but unwise.
type Warning struct {
	Path string
	Text string
}

// String returns "path: text".
func (w Warning) String() string { return w.Path + ": " + w.Text }

func (b *builder) warn(path, text string) {
	b.warnings = append(b.warnings, Warning{path, text})
}
