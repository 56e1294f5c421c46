package engine

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func openTest(t testing.TB) *DB {
	t.Helper()
	return openPath(t, filepath.Join(t.TempDir(), "bridge.db"))
}

func openPath(t testing.TB, path string) *DB {
	t.Helper()
	return open(t, Options{SQLite, path, true})
}

func open(t testing.TB, options Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPragmasOnEveryConnection(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	pragmas := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "mmap_size": "1073741824"}
	timeouts := map[*sql.DB]string{db.Reader: "1000", db.Listener.db: "1000", db.writer.(*groupCommit).db: "5000"}
	for pool, timeout := range timeouts {
		if stats := pool.Stats(); stats.OpenConnections != stats.MaxOpenConnections {
			t.Errorf("%d of %d connections are open", stats.OpenConnections, stats.MaxOpenConnections)
		}
		pragmas["busy_timeout"] = timeout
		var open []*sql.Conn
		for range pool.Stats().MaxOpenConnections {
			conn, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		for _, conn := range open {
			for name, want := range pragmas {
				var got string
				if err := conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || got != want {
					t.Errorf("%s = %q, %v; want %q", name, got, err, want)
				}
			}
			conn.Close()
		}
	}
	if _, err := db.Reader.Exec(`DELETE FROM links`); err == nil {
		t.Error("a reading connection can write")
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	if _, err := Open(t.Context(), Options{SQLite, path, false}); !errors.Is(err, ErrNoDatabase) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was created: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{SQLite, path, false}); !errors.Is(err, ErrNoDatabase) {
		t.Errorf("an empty file: %v", err)
	}
	openPath(t, path).Close()
	open(t, Options{SQLite, path, false}).Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Open(t.Context(), Options{"mysql", path, false}); err == nil {
		t.Error("an unknown driver was accepted")
	}
}

func TestForeignDatabases(t *testing.T) {
	t.Parallel()
	newer := filepath.Join(t.TempDir(), "newer.db")
	db := openPath(t, newer)
	_, err := db.writer.(*groupCommit).db.Exec(`INSERT INTO bridge_schema (version_id, is_applied) VALUES (999, 1)`)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()

	foreign := filepath.Join(t.TempDir(), "foreign.db")
	other, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(`CREATE TABLE photos (id INTEGER)`); err != nil {
		t.Fatal(err)
	}
	other.Close()

	noDatabase := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("Dear Sir or Madam, ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{newer, foreign, noDatabase} {
		before, _ := os.ReadFile(path)
		for _, create := range []bool{true, false} {
			if _, err := Open(t.Context(), Options{SQLite, path, create}); !errors.Is(err, ErrSchema) {
				t.Errorf("%s, create %v: %v", filepath.Base(path), create, err)
			}
		}
		if after, _ := os.ReadFile(path); path != newer && string(after) != string(before) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
}

// TestOpenAtOnce verifies that processes that create one database at the same time all open it.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	errs := make([]error, 4)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			db, err := Open(context.Background(), Options{SQLite, path, true})
			if err == nil {
				err = db.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}
