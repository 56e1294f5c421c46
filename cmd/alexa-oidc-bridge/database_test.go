package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
	"alexa-oidc-bridge/internal/testbridge"
)

// emptyDatabase creates a database without links, and returns a configuration in which everything but storage is
// wrong.
func emptyDatabase(t *testing.T, driver, dsn string) (config string) {
	t.Helper()
	if driver == sqlstore.SQLite {
		testbridge.CreateDatabase(t, dsn)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: driver, DSN: dsn, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("storage: {driver: %s, dsn: %q}\nproviders: nonsense\nkeys: [\"${NOT_SET_ANYWHERE}\"]\n",
		driver, dsn)
	mustWriteFile(t, config, text)
	return config
}

func emptyFile(t *testing.T) (config string) {
	return emptyDatabase(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"))
}

// withTestStore opens the database of a configuration.
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

// linkRows returns five rows for each of n links of the code grant: the link, a chain of refresh tokens, and the
// code.
func linkRows(n int) iter.Seq2[transfer.Row, error] {
	const created = 1_800_000_000
	return func(yield func(transfer.Row, error) bool) {
		for i := range n {
			id := fmt.Sprintf("lnk_%07d", i)
			hash := func(what string) bridge.Hash { return bridge.HashOf(what + " of " + id) }
			for _, row := range []transfer.Row{
				{Link: &transfer.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantAuthorizationCode, Scope: "orders",
					CreatedAt: created, Provider: "corp", Issuer: "https://login.example.com", Subject: id,
					Claims: bridge.Claims{"email": id + "@contoso.com\x00", "name": "Ζωή <&>\u0085\x00\n", "a\x00\u0085": ""}}},
				{Token: &transfer.Token{LinkID: id, Hash: hash("access"), Kind: "access", CreatedAt: created,
					ExpiresAt: created + 3600}},
				{Token: &transfer.Token{LinkID: id, Hash: hash("old"), Kind: "refresh", CreatedAt: created, SupersededAt: created}},
				{Token: &transfer.Token{LinkID: id, Hash: hash("new"), Kind: "refresh", CreatedAt: created,
					Parent: hash("old"), Place: 1}},
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

// mustRun runs a command, which must print exactly what is wanted. On a busy machine it may say how far it has come.
func mustRun(t *testing.T, want string, args ...string) {
	t.Helper()
	code, stdout, stderr := runCommand(args...)
	if progress := regexp.MustCompile(`(?m)^links [a-z ]+ so far: \d+\n`); code != 0 || stdout != want ||
		progress.ReplaceAllString(stderr, "") != "" {
		t.Fatalf("%v: exit code %d\n%s\n%s", args, code, stdout, stderr)
	}
}

// wantFailure runs a command, which must fail with a message and a hint.
func wantFailure(t *testing.T, want string, args ...string) {
	t.Helper()
	code, _, stderr := runCommand(args...)
	if code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 2 {
		t.Errorf("%v: exit code %d, %s; want %q", args, code, stderr, want)
	}
}

func mustReadFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mustWriteFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustRevoke(t *testing.T, config, linkID string) {
	t.Helper()
	mustRun(t, "revoked "+linkID+"\n", "links", "revoke", linkID, "--reason", "left", "--config", config)
}

// importOutput is what links import prints.
func importOutput(added, ended, known, erased int) string {
	return fmt.Sprintf("links added: %d\nlinks revoked: %d\nlinks there before: %d\nlinks erased: %d\n",
		added, ended, known, erased)
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
