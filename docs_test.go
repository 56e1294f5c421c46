package architecture_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeIsShort verifies that the README stays what a person reads in ten minutes.
func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(readFile(t, "README.md"), "\n"); lines > 200 {
		t.Errorf("README.md has %d lines; move what is not for the first ten minutes to docs/", lines)
	}
}

// TestRelativeLinks verifies that the files, headings and pictures that documents link to exist.
func TestRelativeLinks(t *testing.T) {
	target := regexp.MustCompile(`\]\(([^)\s]+)\)|<img src="([^"]+)"`)
	for _, document := range documents(t) {
		for _, match := range target.FindAllStringSubmatch(withoutCode(readFile(t, document)), -1) {
			link := match[1] + match[2]
			if strings.Contains(link, "://") {
				continue
			}
			name, anchor, _ := strings.Cut(link, "#")
			file := document
			if name != "" {
				file = filepath.Join(filepath.Dir(document), name)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which does not exist", document, link)
			} else if anchor != "" && !slices.Contains(anchors(readFile(t, file)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", document, link)
			}
		}
	}
}

// anchors returns the anchors that GitHub gives the headings of a document.
func anchors(text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(withoutCode(text), -1) {
		heading := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(match[1]), "")
		found = append(found, strings.ReplaceAll(heading, " ", "-"))
	}
	return found
}

// TestNoMachinePaths verifies that no document or script names a folder of somebody's machine.
func TestNoMachinePaths(t *testing.T) {
	folder := regexp.MustCompile(`(?:^|[^\w.])/(?:home|root|work|Users)/`)
	for _, file := range files(t, ".md", ".yaml", ".yml", "Makefile", "Dockerfile", "run", "module-path") {
		if found := folder.FindString(readFile(t, file)); found != "" {
			t.Errorf("%s has %q", file, found)
		}
	}
}

// TestConfigurationReference verifies that the reference of all keys is the tested example.
func TestConfigurationReference(t *testing.T) {
	if !strings.Contains(readFile(t, "docs/configuration.md"), "```yaml\n"+readFile(t, "config.example.yaml")+"```\n") {
		t.Error("docs/configuration.md does not contain config.example.yaml as it is; copy the file into it")
	}
}

// TestMetrics verifies that the documents name the metrics of the program, and that operations.md has all of them.
func TestMetrics(t *testing.T) {
	metric := regexp.MustCompile(`\bbridge_[a-z_]+_(?:total|seconds|bytes)\b`)
	source := sources(t)
	for _, document := range documents(t) {
		for _, name := range metric.FindAllString(readFile(t, document), -1) {
			if !strings.Contains(source, `"`+name+`"`) {
				t.Errorf("%s names the metric %s, which does not exist", document, name)
			}
		}
	}
	operations := readFile(t, "docs/operations.md")
	for _, name := range metric.FindAllString(source, -1) {
		if !strings.Contains(operations, name) {
			t.Errorf("docs/operations.md lacks the metric %s", name)
		}
	}
}

// TestThreatsHaveTests verifies that the tests that docs/security.md names exist.
func TestThreatsHaveTests(t *testing.T) {
	var tests strings.Builder
	for _, file := range files(t, "_test.go") {
		tests.WriteString(readFile(t, file))
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z]+)`").FindAllStringSubmatch(readFile(t, "docs/security.md"), -1)
	if len(names) < 30 {
		t.Errorf("docs/security.md names %d tests", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("docs/security.md names %s, which does not exist", name[1])
		}
	}
}

// TestTroubleshooting verifies that the page titles and log messages of docs/troubleshooting.md are those of the
// program.
func TestTroubleshooting(t *testing.T) {
	plain := strings.NewReplacer("’", "'", "‑", "-").Replace
	document, source := plain(readFile(t, "docs/troubleshooting.md")), sources(t)
	titles := regexp.MustCompile(`: \{\n\t+"([^"]+)",\n`).FindAllStringSubmatch(readFile(t, "templates/texts.go"), -1)
	if len(titles) < 10 {
		t.Fatalf("only %d page titles found", len(titles))
	}
	for _, title := range titles {
		if !strings.Contains(document, "\n| "+plain(title[1])+" |") {
			t.Errorf("docs/troubleshooting.md lacks the page %q", title[1])
		}
	}
	for _, match := range regexp.MustCompile("`([a-z][a-z-]*(?: [a-z-]+)+)`").FindAllStringSubmatch(document, -1) {
		if !strings.HasPrefix(match[1], "alexa-oidc-bridge ") && !strings.Contains(source, match[1]) {
			t.Errorf("docs/troubleshooting.md quotes %q, which the program does not say", match[1])
		}
	}
}

// TestArchitectureFiles verifies that the files which docs/architecture.md leads through exist.
func TestArchitectureFiles(t *testing.T) {
	all := files(t, ".go")
	names := regexp.MustCompile("`([a-z/_]+\\.go)`")
	for _, match := range names.FindAllStringSubmatch(readFile(t, "docs/architecture.md"), -1) {
		named := func(file string) bool { return file == match[1] || strings.HasSuffix(file, "/"+match[1]) }
		if !slices.ContainsFunc(all, named) {
			t.Errorf("docs/architecture.md names %s, which does not exist", match[1])
		}
	}
}

// documents returns all Markdown files.
func documents(t *testing.T) []string {
	t.Helper()
	return files(t, ".md")
}

// sources returns the Go code of the program, without tests.
func sources(t *testing.T) string {
	t.Helper()
	var all bytes.Buffer
	for _, file := range files(t, ".go") {
		if !strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(file, "examples") &&
			!strings.HasPrefix(file, "internal") {
			all.WriteString(readFile(t, file))
		}
	}
	return all.String()
}

// files returns the files of the repository whose names have one of the suffixes.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{".git", "node_modules", "testdata"}, entry.Name()) {
			return fs.SkipDir
		}
		hasSuffix := func(suffix string) bool { return strings.HasSuffix(path, suffix) }
		if err == nil && !entry.IsDir() && slices.ContainsFunc(suffixes, hasSuffix) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d files found: %v", len(found), err)
	}
	return found
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var codeBlock = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func withoutCode(text string) string {
	spans := regexp.MustCompile("`[^`\n]*`")
	return spans.ReplaceAllStringFunc(codeBlock.ReplaceAllString(text, ""), func(span string) string {
		return strings.NewReplacer("](", "", "`", "").Replace(span) // the words of a heading stay
	})
}
