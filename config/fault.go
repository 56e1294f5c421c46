package config

import (
	"cmp"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	Path string // of the key, such as skills[0].provider; empty: the file as a whole
	What string // is wrong
	Cure string // what to do
}

func (f Fault) String() string {
	text := f.What + "; " + f.Cure
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	return text
}

// Faults are all things that are wrong with the configuration, ordered by path.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	sorted := slices.Clone(f)
	slices.SortStableFunc(sorted, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(sorted)
}

// Warning is something that is legal but unwise.
type Warning struct {
	Path string
	Text string
}

func (w Warning) String() string { return w.Path + ": " + w.Text }

func (b *builder) warn(path, text string) {
	b.warnings = append(b.warnings, Warning{path, text})
}
