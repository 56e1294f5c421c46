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
	mustRun(t, importOutput(40, 0, 0, 0), "links", "import", there, "--config", between)
	mustRun(t, importOutput(0, 0, 40, 0), "links", "import", there, "--config", between)
	mustRun(t, "links exported: 40\n", "links", "export", again, "--config", between)
	mustRun(t, importOutput(40, 0, 0, 0), "links", "import", again, "--config", back)
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
	if code != 0 || stdout != importOutput(0, 1, 39, 0) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	_, list, _ := runCommand("links", "list", "--json", "--config", between)
	if strings.Count(list, `"reason": "left"`) != 2 {
		t.Errorf("revoked: %s", list)
	}
}

func TestLinksImportErrors(t *testing.T) {
	const n = 500 // of five rows each, in three transactions
	config, path := emptyFile(t), filepath.Join(t.TempDir(), "links.jsonl")
	_, whole, _ := runCommand("links", "export", "--config", filledFile(t, n))
	lines := strings.SplitAfter(whole, "\n")
	truncated := strings.Join(lines[:2000], "") // in the middle of link 399
	older := strings.Replace(whole, `"version":3`, `"version":1`, 1)
	wantFailure(t, "no such file", "links", "import", path, "--config", config)
	for text, want := range map[string]string{
		truncated: "line 2001: the file is truncated",
		strings.Replace(whole, `"sub":"lnk_0000400"`, `"subject":"lnk_0000400"`, 1): "line 2002: ",
		older: "export the links again with this program",
	} {
		mustWriteFile(t, path, text)
		wantFailure(t, want, "links", "import", path, "--config", config)
	}
	if found := storedLinks(t, config); len(found) != 0 {
		t.Errorf("a bad file added %d links", len(found))
	}

	code, stdout, stderr := runWithInput(truncated, "links", "import", "-", "--config", config)
	if code != 1 || !strings.Contains(stderr, "line 2001: ") || stdout != importOutput(399, 0, 0, 0) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	mustWriteFile(t, path, whole)
	mustRun(t, importOutput(n-399, 0, 399, 0), "links", "import", path, "--config", config)
	_, again, _ := runCommand("links", "export", "--config", config)
	if !strings.HasSuffix(again, strings.Join(lines[1:], "")) {
		t.Error("the completed import is not what was exported")
	}
}

// TestLinksImportTaken verifies that a token that another link of the database has is an error where it comes.
func TestLinksImportTaken(t *testing.T) {
	config, path := filledFile(t, 1), filepath.Join(t.TempDir(), "links.jsonl")
	_, whole, _ := runCommand("links", "export", "--config", config)
	before := storedLinks(t, config)
	mustWriteFile(t, path, strings.ReplaceAll(whole, "lnk_0000000", "lnk_other"))
	wantFailure(t, "line 3: lnk_other: the token or code is in the database already",
		"links", "import", path, "--config", config)
	if after := storedLinks(t, config); !maps.Equal(after, before) {
		t.Errorf("%v, want %v", after, before)
	}
}

func TestLinksExportErrors(t *testing.T) {
	from := filledFile(t, 3)
	folder := t.TempDir()
	path := filepath.Join(folder, "links.jsonl")
	mustRun(t, "links exported: 3\n", "links", "export", path, "--config", from)
	before := mustReadFile(t, path)
	wantFailure(t, "exists already", "links", "export", path, "--config", from)
	if after := mustReadFile(t, path); after != before {
		t.Errorf("a file was overwritten: %s", after)
	}
	wantFailure(t, "no such file", "links", "export", filepath.Join(folder, "no", "links.jsonl"), "--config", from)
	withTestStore(t, from, func(store *sqlstore.Store) { // a link that is too long for the file
		long := func(yield func(transfer.Row, error) bool) {
			link := &transfer.Link{ID: "lnk_long", Grant: bridge.GrantImplicit,
				Scope: strings.Repeat("x", transfer.MaxLine), CreatedAt: 1}
			yield(transfer.Row{Link: link}, nil)
		}
		if _, err := store.Import(t.Context(), long, time.Now); err != nil {
			t.Fatal(err)
		}
	})
	wantFailure(t, "lnk_long", "links", "export", filepath.Join(folder, "long.jsonl"), "--config", from)
	wantFiles(t, folder, "links.jsonl")

	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	var stderr bytes.Buffer
	code := run([]string{"links", "export", "--config", from}, device, &stderr)
	if code != 2 || !strings.Contains(stderr.String(), "is a terminal") {
		t.Errorf("exit code %d, %s", code, &stderr)
	}
}
