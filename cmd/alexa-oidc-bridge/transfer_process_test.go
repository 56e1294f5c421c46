package main

import (
	"bytes"
	"fmt"
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

// commandProcess is a process of the program.
func commandProcess(stdin string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), stdout, stderr
	return cmd, stdout, stderr
}

// An import that is killed at any moment has whole links only, and doing it again completes it.
func TestImportKilled(t *testing.T) {
	const n = 2000
	from := emptyFile(t)
	mustFill(t, from, n)
	want := recordsIn(t, from)
	path := filepath.Join(t.TempDir(), "links.jsonl")
	mustRun(t, fmt.Sprintf("links exported: %d\n", n), "links", "export", path, "--config", from)
	targets := map[string]string{
		sqlstore.SQLite:     emptyFile(t),
		sqlstore.PostgreSQL: emptyDatabase(t, sqlstore.PostgreSQL, postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t)),
	}
	for driver, to := range targets {
		for _, enough := range []int{1, n / 2} {
			cmd, _, stderr := commandProcess("", "links", "import", path, "--config", to)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitForLinks(t, to, enough, stderr)
			cmd.Process.Kill()
			cmd.Wait()
			for id, record := range recordsIn(t, to) {
				if !reflect.DeepEqual(record, want[id]) {
					t.Fatalf("%s: half a link: %+v", driver, record)
				}
			}
		}
		there := len(recordsIn(t, to))
		mustRun(t, imported(n-there, 0, there), "links", "import", path, "--config", to)
		if got := recordsIn(t, to); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d links, not as they were", driver, len(got))
		}
	}
}

func waitForLinks(t *testing.T, config string, enough int, stderr fmt.Stringer) {
	t.Helper()
	onDatabase(t, config, func(store *sqlstore.Store) {
		for deadline := time.Now().Add(time.Minute); ; {
			links, err := store.Links(t.Context(), bridge.LinkFilter{})
			switch {
			case err != nil:
				t.Fatal(err)
			case len(links) >= enough:
				return
			case time.Now().After(deadline):
				t.Fatalf("%d links are imported: %s", len(links), stderr)
			}
		}
	})
}
