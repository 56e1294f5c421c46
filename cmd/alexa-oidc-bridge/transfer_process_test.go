//go:build strict

package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

func TestLinksMoveToPostgreSQL(t *testing.T) {
	testMove(t, emptyDatabase(t, sqlstore.PostgreSQL, postgrestest.Shared(t).DatabaseFor(t)))
}

// TestImportKilled verifies that an import that is killed at any moment leaves whole links only, and that running it
// again completes it.
func TestImportKilled(t *testing.T) {
	const n = 2000
	from := filledFile(t, n)
	want := storedLinks(t, from)
	path := filepath.Join(t.TempDir(), "links.jsonl")
	mustRun(t, fmt.Sprintf("links exported: %d\n", n), "links", "export", path, "--config", from)
	targets := map[string]string{
		sqlstore.SQLite:     emptyFile(t),
		sqlstore.PostgreSQL: emptyDatabase(t, sqlstore.PostgreSQL, postgrestest.Shared(t).DatabaseFor(t)),
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
			for id, rows := range storedLinks(t, to) {
				if rows != want[id] {
					t.Fatalf("%s: a part of a link: %s", driver, rows)
				}
			}
		}
		known := len(storedLinks(t, to))
		mustRun(t, importOutput(n-known, 0, known, 0), "links", "import", path, "--config", to)
		if got := storedLinks(t, to); !maps.Equal(got, want) {
			t.Errorf("%s: %d links, not as they were", driver, len(got))
		}
	}
}

func waitForLinks(t *testing.T, config string, enough int, stderr fmt.Stringer) {
	t.Helper()
	withTestStore(t, config, func(store *sqlstore.Store) {
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
