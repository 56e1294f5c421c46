package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

func TestLinksMove(t *testing.T) {
	testMove(t, emptyFile(t))
}

// testMove moves links to an empty database by a file, back by another, and later revocations by a pipe.
func testMove(t *testing.T, between string) {
	folder := t.TempDir()
	from, back := filledFile(t, 40), emptyFile(t)
	mustRevoke(t, from, "lnk_0000007")
	there, again := filepath.Join(folder, "links.jsonl"), filepath.Join(folder, "again.jsonl")
	mustRun(t, "links exported: 40\n", "links", "export", there, "--config", from)
	mustRun(t, importOutput(40, 0, 0), "links", "import", there, "--config", between)
	mustRun(t, importOutput(0, 0, 40), "links", "import", there, "--config", between)
	mustRun(t, "links exported: 40\n", "links", "export", again, "--config", between)
	mustRun(t, importOutput(40, 0, 0), "links", "import", again, "--config", back)
	if got, want := storedLinks(t, back), storedLinks(t, from); len(want) != 40 || !maps.Equal(got, want) {
		t.Errorf("%v\nwant\n%v", got, want)
	}
	for _, path := range []string{there, again} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s: %v, %v", path, info.Mode(), err)
		}
	}

	mustRevoke(t, from, "lnk_0000008")
	code, exported, stderr := runCommand("links", "export", "--config", from)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	code, stdout, stderr := runWithInput(exported, "links", "import", "-", "--config", between)
	if code != 0 || stdout != importOutput(0, 1, 39) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if _, list, _ := runCommand("links", "list", "--json", "--config", between); strings.Count(list, `"reason": "left"`) != 2 {
		t.Errorf("revoked: %s", list)
	}
}

// importTest imports texts into an empty database.
type importTest struct {
	*testing.T
	config, path string
}

func newImportTest(t *testing.T) *importTest {
	return &importTest{t, emptyFile(t), filepath.Join(t.TempDir(), "links.jsonl")}
}

func (i *importTest) write(text string) {
	i.Helper()
	if err := os.WriteFile(i.path, []byte(text), 0o600); err != nil {
		i.Fatal(err)
	}
}

// wantError imports a file, which must fail with a message and a hint and without standard output for a bad file.
func (i *importTest) wantError(want, path string) {
	i.Helper()
	code, _, stderr := runCommand("links", "import", path, "--config", i.config)
	if code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 2 {
		i.Errorf("exit code %d, %s; want %q", code, stderr, want)
	}
}

func TestLinksImportErrors(t *testing.T) {
	const n = 500 // of five rows each, in three transactions
	i := newImportTest(t)
	_, whole, _ := runCommand("links", "export", "--config", filledFile(t, n))
	lines := strings.SplitAfter(whole, "\n")
	truncated := strings.Join(lines[:2000], "") // in the middle of link 399
	i.wantError("no such file", filepath.Join(t.TempDir(), "none"))
	i.write(truncated)
	i.wantError("line 2001: the file is truncated", i.path)
	i.write(strings.Replace(whole, `"sub":"lnk_0000400"`, `"subject":"lnk_0000400"`, 1))
	i.wantError("line 2002: ", i.path)
	i.write(strings.Replace(whole, `"version":2`, `"version":1`, 1))
	i.wantError("export the links again with this program", i.path)
	if found := storedLinks(t, i.config); len(found) != 0 {
		t.Errorf("a bad file added %d links", len(found))
	}

	code, stdout, stderr := runWithInput(truncated, "links", "import", "-", "--config", i.config)
	if code != 1 || !strings.Contains(stderr, "line 2001: ") || stdout != importOutput(399, 0, 0) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	i.write(whole)
	mustRun(t, importOutput(n-399, 0, 399), "links", "import", i.path, "--config", i.config)
	if _, again, _ := runCommand("links", "export", "--config", i.config); !strings.HasSuffix(again, strings.Join(lines[1:], "")) {
		t.Error("the completed import is not what was exported")
	}
}

// TestLinksImportTaken verifies that a token that another link of the database has is an error where it comes.
func TestLinksImportTaken(t *testing.T) {
	i := newImportTest(t)
	i.config = filledFile(t, 1)
	_, whole, _ := runCommand("links", "export", "--config", i.config)
	before := storedLinks(t, i.config)
	i.write(strings.ReplaceAll(whole, "lnk_0000000", "lnk_other"))
	i.wantError("line 3: lnk_other: the token or code is in the database already", i.path)
	if after := storedLinks(t, i.config); !maps.Equal(after, before) {
		t.Errorf("%v, want %v", after, before)
	}
}

func TestLinksExportErrors(t *testing.T) {
	from := filledFile(t, 3)
	folder := t.TempDir()
	path := filepath.Join(folder, "links.jsonl")
	mustRun(t, "links exported: 3\n", "links", "export", path, "--config", from)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantError := func(want, path, config string) {
		t.Helper()
		code, _, stderr := runCommand("links", "export", path, "--config", config)
		if code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 2 {
			t.Errorf("exit code %d, %s", code, stderr)
		}
	}
	wantError("exists already", path, from)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v: %s", err, after)
	}
	wantError("no such file", filepath.Join(folder, "no", "links.jsonl"), from)
	withTestStore(t, from, func(store *sqlstore.Store) { // a link that is too long for the file
		long := func(yield func(transfer.Row, error) bool) {
			link := &transfer.Link{ID: "lnk_long", Grant: bridge.GrantImplicit, Scope: strings.Repeat("x", transfer.MaxLine), CreatedAt: 1}
			yield(transfer.Row{Link: link}, nil)
		}
		if _, err := store.Import(t.Context(), long, time.Now); err != nil {
			t.Fatal(err)
		}
	})
	wantError("lnk_long", filepath.Join(folder, "long.jsonl"), from)
	wantFiles(t, folder, "links.jsonl")

	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	var stderr bytes.Buffer
	if code := run([]string{"links", "export", "--config", from}, device, &stderr); code != 2 || !strings.Contains(stderr.String(), "is a terminal") {
		t.Errorf("exit code %d, %s", code, &stderr)
	}
}
