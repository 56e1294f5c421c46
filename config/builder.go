package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// builder decodes the configuration file, checks it and turns it into what the program runs on. It collects problems
// and warnings. One mistake is one problem: a path that has one, and what is below it, get no other.
type builder struct {
	file         string // the absolute path of the configuration file
	dir          string
	root         *yaml.Node           // the mapping at the top, with what the environment overrides
	places       map[string]place     // of the paths that are in the file or in the environment
	external     map[string]bool      // the paths of strings that come from ${…} or the environment
	faulty       map[string]bool      // the paths that have a problem
	excused      map[string]bool      // the paths that are missing because their key is misspelled or in the wrong place
	merging      []*yaml.Node         // the mappings that are being merged, so that none is merged into itself
	emailTrusted map[string]bool      // by provider id
	files        map[string][]string  // by path: the files that its value comes from
	secretUses   map[string]secretUse // by secret
	readable     map[string]bool      // the files with a secret that were warned of
	problems     Problems
	warnings     []Warning
}

// place is where a path is in the file.
type place struct {
	line, column int    // 0: not in the file
	value        string // as a problem quotes it; empty if it is not a scalar
}

func (b *builder) problem(path, what, hint string) {
	if b.isFaulty(path) {
		return
	}
	b.faulty[path] = true
	at, present := b.places[path]
	if b.excused[path] && !present {
		return
	}
	if at.value != "" && !b.external[path] && !holdsSecret(path) {
		what += ": " + at.value
	}
	if present && at.line == 0 {
		what += fmt.Sprintf(" (set by %s)", variableFor(path))
	}
	at = b.place(path)
	b.problems = append(b.problems, Problem{at.line, at.column, path, what, hint})
}

// reject reports a problem if a condition holds.
func (b *builder) reject(condition bool, path, what, hint string) {
	if condition {
		b.problem(path, what, hint)
	}
}

// isFaulty reports whether a path, or what it is part of, has a problem.
func (b *builder) isFaulty(path string) bool {
	for ; path != ""; path = parent(path) {
		if b.faulty[path] {
			return true
		}
	}
	return false
}

// isFaultyBelow reports whether something below a path has a problem.
func (b *builder) isFaultyBelow(path string) bool {
	for faulty := range b.faulty {
		if strings.HasPrefix(faulty, path+".") || strings.HasPrefix(faulty, path+"[") {
			return true
		}
	}
	return false
}

func (b *builder) warn(path, text string) {
	at := b.place(path)
	b.warnings = append(b.warnings, Warning{at.line, at.column, path, text})
}

// place returns where a path is in the file, or what it is missing from.
func (b *builder) place(path string) place {
	for ; path != ""; path = parent(path) {
		if at, present := b.places[path]; present {
			return at
		}
	}
	return place{line: 1, column: 1}
}

// holdsSecret reports whether the value at a path, or a part of it, is a secret.
func holdsSecret(path string) bool {
	for key := range strings.SplitSeq(index.ReplaceAllString(path, ""), ".") {
		if key == "keys" || key == "dsn" || key == "token" || strings.Contains(key, "secret") {
			return true
		}
	}
	return false
}

// absolute makes a path of the configuration absolute. It is relative to the directory of the configuration file.
func (b *builder) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(b.dir, path)
}

// member is the path of a key below a path, which is empty for the top level.
func member(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// element is the path of a list's element.
func element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// parent is the path of what a path is a member or an element of; of a top-level key it is empty.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// textPath is the path of one of the strings of a key that is a string or a list of strings.
func (b *builder) textPath(path string, i int) string {
	if _, isList := b.places[element(path, i)]; isList {
		return element(path, i)
	}
	return path
}
