package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCommandsInDocuments verifies that the commands and flags that documents name exist, and that operations.md has
// every command.
func TestCommandsInDocuments(t *testing.T) {
	commandLine := regexp.MustCompile("(?m)(^|[\\s(`])/?alexa-oidc-bridge ([a-z][^`\n|)#]*)")
	found := 0
	for document, text := range documents(t) {
		for _, code := range regexp.MustCompile("(?ms)^```[a-z]*\n.*?^```$|`[^`\n]+`").FindAllString(text, -1) {
			for _, match := range commandLine.FindAllStringSubmatchIndex(code, -1) {
				before := code[:match[3]]
				if strings.HasSuffix(before, "-n ") || strings.HasSuffix(before, "namespace ") { // of kubectl
					continue
				}
				found++
				if problem := checkCommandLine(strings.Fields(code[match[4]:match[5]])); problem != "" {
					t.Errorf("%s: %s: %s", document, code[match[4]:match[5]], problem)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands found", found)
	}
	operations := documents(t)["docs/operations.md"]
	for _, path := range commandPaths(rootCommand()) {
		if !strings.Contains(operations, "| `"+path+"` |") {
			t.Errorf("docs/operations.md lacks the command %s", path)
		}
	}
}

// checkCommandLine returns what is wrong with a command line without its first word, or "".
func checkCommandLine(words []string) string {
	command, rest, err := rootCommand().Find(words)
	if err != nil || !command.Runnable() || !command.HasParent() {
		return "there is no such command"
	}
	for _, word := range rest {
		name, isFlag := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && command.Flag(name) == nil {
			return "it has no flag " + word
		}
	}
	return ""
}

// commandPaths returns the words of every command that does something, such as "links list".
func commandPaths(command *cobra.Command) []string {
	if !command.HasSubCommands() {
		_, path, _ := strings.Cut(command.CommandPath(), " ")
		return []string{path}
	}
	var paths []string
	for _, child := range command.Commands() {
		paths = append(paths, commandPaths(child)...)
	}
	return paths
}

// documents returns the texts of all Markdown files, by their names.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root, found := os.DirFS("../.."), map[string]string{}
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{".git", "node_modules"}, entry.Name()) {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".md" {
			text, err := fs.ReadFile(root, path)
			found[path] = string(text)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
