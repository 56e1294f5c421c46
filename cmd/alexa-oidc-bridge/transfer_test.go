package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

// emptyDatabase creates a database without links, and returns a configuration in which everything but storage is wrong.
func emptyDatabase(t *testing.T, driver, dsn string) (config string) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: driver, DSN: dsn, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("storage: {driver: %s, dsn: %q}\nproviders: nonsense\nkeys: [\"${NOT_SET_ANYWHERE}\"]\n", driver, dsn)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

func emptyFile(t *testing.T) (config string) {
	return emptyDatabase(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"))
}

// withStore opens the database of a configuration.
func withTestStore(t *testing.T, config string, do func(*sqlstore.Store)) {
	t.Helper()
	cmd := rootCommand()
	cmd.SetContext(t.Context())
	if err := cmd.ParseFlags([]string{"--config", config}); err != nil {
		t.Fatal(err)
	}
	store, err := openConfigured(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	do(store)
}

// linkRows returns five rows for each of n links of the code grant: the link, a chain of refresh tokens, and the code.
func linkRows(n int) iter.Seq2[transfer.Row, error] {
	const created = 1_800_000_000
	return func(yield func(transfer.Row, error) bool) {
		for i := range n {
			id := fmt.Sprintf("lnk_%07d", i)
			hash := func(what string) bridge.Hash { return bridge.HashOf(what + " of " + id) }
			for _, row := range []transfer.Row{
				{Link: &transfer.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantAuthorizationCode, Scope: "orders", CreatedAt: created,
					Provider: "corp", Issuer: "https://login.example.com", Subject: id,
					Claims: bridge.Claims{"email": id + "@contoso.com", "name": "Ζωή <&>"}}},
				{Token: &transfer.Token{LinkID: id, Hash: hash("access"), Kind: "access", CreatedAt: created, ExpiresAt: created + 3600}},
				{Token: &transfer.Token{LinkID: id, Hash: hash("old"), Kind: "refresh", CreatedAt: created, SupersededAt: created}},
				{Token: &transfer.Token{LinkID: id, Hash: hash("new"), Kind: "refresh", CreatedAt: created, Parent: hash("old"), Place: 1}},
				{Code: &transfer.Code{LinkID: id, Hash: hash("code"), ExpiresAt: created, RedeemedAt: created}},
			} {
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// filledFile returns the configuration of a SQLite database with n links.
func filledFile(t *testing.T, n int) (config string) {
	t.Helper()
	config = emptyFile(t)
	withTestStore(t, config, func(store *sqlstore.Store) {
		if did, err := store.Import(t.Context(), linkRows(n), time.Now); err != nil || did.Added != n {
			t.Fatalf("%+v, %v", did, err)
		}
	})
	return config
}

// storedLinks returns the rows of each link of a database as JSON, by link id.
func storedLinks(t *testing.T, config string) map[string]string {
	t.Helper()
	links := map[string]string{}
	withTestStore(t, config, func(store *sqlstore.Store) {
		var id string
		for row, err := range store.Export(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if row.Link != nil {
				id = row.Link.ID
			}
			text, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			links[id] += string(text) + "\n"
		}
	})
	return links
}

func mustRun(t *testing.T, want string, args ...string) {
	t.Helper()
	if code, stdout, stderr := runCommand(args...); code != 0 || stdout != want || stderr != "" {
		t.Fatalf("%v: exit code %d\n%s\n%s", args, code, stdout, stderr)
	}
}

func mustRevoke(t *testing.T, config, linkID string) {
	t.Helper()
	mustRun(t, "revoked "+linkID+"\n", "links", "revoke", linkID, "--reason", "left", "--config", config)
}

// importOutput is what links import prints.
func importOutput(added, ended, known int) string {
	return fmt.Sprintf("links added: %d\nlinks ended: %d\nlinks there before: %d\n", added, ended, known)
}

// commandProcess is the program in a process of its own.
func commandProcess(stdin string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), stdout, stderr
	return cmd, stdout, stderr
}

func runWithInput(stdin string, args ...string) (code int, stdout, stderr string) {
	cmd, out, err := commandProcess(stdin, args...)
	if exit, ok := errors.AsType[*exec.ExitError](cmd.Run()); ok {
		code = exit.ExitCode()
	}
	return code, out.String(), err.String()
}

// wantFiles verifies which files a folder has.
func wantFiles(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if slices.Sort(names); !slices.Equal(found, names) {
		t.Errorf("%s has %v, want %v", folder, found, names)
	}
}

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
