package main

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

// emptyDatabase makes a database without links, and a configuration in which everything but storage is wrong.
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

// onDatabase does something on the database of a configuration.
func onDatabase(t *testing.T, config string, do func(*sqlstore.Store)) {
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

var moveTime = time.Unix(1_800_000_000, 0).UTC()

// someRecords are links of the code grant, with a chain of refresh tokens.
func someRecords(n int) iter.Seq2[sqlstore.Record, error] {
	return func(yield func(sqlstore.Record, error) bool) {
		for i := range n {
			id := fmt.Sprintf("lnk_%07d", i)
			hash := func(what string) bridge.Hash { return bridge.HashOf(what + " of " + id) }
			record := sqlstore.Record{
				Link: bridge.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantAuthorizationCode, Scope: "orders", CreatedAt: moveTime,
					Identity: bridge.Identity{Provider: bridge.Provider{ID: "corp", Issuer: "https://login.example.com"}, Subject: id,
						Claims: bridge.Claims{"email": id + "@contoso.com", "name": "Ζωή <&>"}}},
				Tokens: []sqlstore.TokenRecord{
					{Hash: hash("access"), Kind: "access", CreatedAt: moveTime, ExpiresAt: moveTime.Add(time.Hour)},
					{Hash: hash("old"), Kind: "refresh", CreatedAt: moveTime, SupersededAt: moveTime},
					{Hash: hash("new"), Kind: "refresh", CreatedAt: moveTime, Parent: hash("old"), Place: 1},
				},
				Codes: []sqlstore.CodeRecord{{NewCode: bridge.NewCode{Hash: hash("code"), ExpiresAt: moveTime}, RedeemedAt: moveTime}},
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

func mustFill(t *testing.T, config string, n int) {
	t.Helper()
	onDatabase(t, config, func(store *sqlstore.Store) {
		if did, err := store.Import(t.Context(), someRecords(n), time.Now); err != nil || did.Added != n {
			t.Fatalf("%+v, %v", did, err)
		}
	})
}

// recordsIn are the links of a database by their ids.
func recordsIn(t *testing.T, config string) map[string]sqlstore.Record {
	t.Helper()
	records := map[string]sqlstore.Record{}
	onDatabase(t, config, func(store *sqlstore.Store) {
		for record, err := range store.Export(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			records[record.Link.ID] = record
		}
	})
	return records
}

func mustRun(t *testing.T, want string, args ...string) {
	t.Helper()
	if code, stdout, stderr := runCommand(args...); code != 0 || stdout != want || stderr != "" {
		t.Fatalf("%v: exit code %d\n%s\n%s", args, code, stdout, stderr)
	}
}

func imported(added, ended, known int) string {
	return fmt.Sprintf("links added: %d\nlinks ended: %d\nlinks there before: %d\n", added, ended, known)
}

// A deployment moves to PostgreSQL and back, by files and by a pipe.
func TestLinksMove(t *testing.T) {
	folder := t.TempDir()
	from, _ := newDatabase(t)
	mustFill(t, from, 40)
	if code, _, stderr := runCommand("links", "revoke", "lnk_0000007", "--reason", "left", "--config", from); code != 0 {
		t.Fatal(stderr)
	}
	between := emptyDatabase(t, sqlstore.PostgreSQL, postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t))
	back := emptyFile(t)
	there, again := filepath.Join(folder, "links.jsonl"), filepath.Join(folder, "again.jsonl")
	mustRun(t, "links exported: 43\n", "links", "export", there, "--config", from)
	mustRun(t, imported(43, 0, 0), "links", "import", there, "--config", between)
	mustRun(t, imported(0, 0, 43), "links", "import", there, "--config", between)
	mustRun(t, "links exported: 43\n", "links", "export", again, "--config", between)
	mustRun(t, imported(43, 0, 0), "links", "import", again, "--config", back)
	if got, want := recordsIn(t, back), recordsIn(t, from); len(want) != 43 || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	for _, path := range []string{there, again} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v, %v", path, info.Mode(), err)
		}
	}

	if code, _, stderr := runCommand("links", "revoke", "lnk_0000008", "--reason", "left", "--config", from); code != 0 {
		t.Fatal(stderr)
	}
	code, exported, stderr := runCommand("links", "export", "--config", from)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	code, stdout, stderr := runWithInput(exported, "links", "import", "-", "--config", between)
	if code != 0 || stdout != imported(0, 1, 42) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if _, list, _ := runCommand("links", "list", "--json", "--config", between); strings.Count(list, `"reason": "left"`) != 2 {
		t.Errorf("ended: %s", list)
	}
}

func runWithInput(stdin string, args ...string) (code int, stdout, stderr string) {
	cmd, out, err := commandProcess(stdin, args...)
	if exit, ok := errors.AsType[*exec.ExitError](cmd.Run()); ok {
		code = exit.ExitCode()
	}
	return code, out.String(), err.String()
}

func TestLinksImportRefuses(t *testing.T) {
	from, to := emptyFile(t), emptyFile(t)
	mustFill(t, from, 1200)
	_, whole, _ := runCommand("links", "export", "--config", from)
	lines := strings.SplitAfter(whole, "\n")
	cut := strings.Join(lines[:1000], "")
	path := filepath.Join(t.TempDir(), "links.jsonl")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		code, _, stderr := runCommand(append([]string{"links", "import", "--config", to}, args...)...)
		if code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	refused("no such file", filepath.Join(t.TempDir(), "none"))
	write(cut)
	refused("line 1001: the file ends here", path)
	write(strings.Replace(whole, `"sub":"lnk_0001000"`, `"subject":"lnk_0001000"`, 1))
	refused(`line 1002: it cannot be read: json: unknown field "subject"`, path)
	if found := recordsIn(t, to); len(found) != 0 {
		t.Errorf("a bad file added %d links", len(found))
	}

	code, stdout, stderr := runWithInput(cut, "links", "import", "-", "--config", to)
	found := recordsIn(t, to)
	if code != 1 || !strings.Contains(stderr, "line 1001: ") || stdout != imported(len(found), 0, 0) || len(found) > 999 {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	write(whole)
	mustRun(t, imported(1200-len(found), 0, len(found)), "links", "import", path, "--config", to)

	// A token that is another link's in the target is found out when it is reached.
	other := emptyFile(t)
	mustFill(t, other, 1)
	write(lines[0] + strings.Replace(lines[1201-1], "lnk_0001199", "lnk_x", 1) +
		strings.Replace(lines[1], "lnk_0000000", "lnk_y", 1) + `{"links":2}` + "\n")
	to = other
	refused("line 3: lnk_y: a token or code of it belongs to another link already", path)
}

func TestLinksExportRefuses(t *testing.T) {
	from, _ := newDatabase(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "links.jsonl")
	mustRun(t, "links exported: 3\n", "links", "export", path, "--config", from)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runCommand("links", "export", path, "--config", from)
	if code != 1 || !strings.Contains(stderr, "is there already") || strings.Count(stderr, "\n") != 2 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v: %s", err, after)
	}
	code, _, stderr = runCommand("links", "export", filepath.Join(folder, "no", "links.jsonl"), "--config", from)
	if code != 1 || strings.Count(stderr, "\n") != 2 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	wantFiles(t, folder, "links.jsonl")

	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // as much a device as a terminal
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	var errors bytes.Buffer
	if code := run([]string{"links", "export", "--config", from}, device, &errors); code != 2 || !strings.Contains(errors.String(), "is a terminal") {
		t.Errorf("exit code %d, %s", code, errors.String())
	}
}

// wantFiles fails if a folder has other files than these.
func wantFiles(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found, want := map[string]bool{}, map[string]bool{}
	for _, entry := range entries {
		found[entry.Name()] = true
	}
	for _, name := range names {
		want[name] = true
	}
	if !maps.Equal(found, want) {
		t.Errorf("%s has %v, want %v", folder, found, want)
	}
}
