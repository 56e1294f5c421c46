package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

func addConsent(t testing.TB, store *Store, handle string) {
	t.Helper()
	pending := bridge.PendingConsent{Handle: bridge.HashOf(handle), ExpiresAt: begin.Add(time.Minute)}
	if err := store.CreatePendingConsent(context.Background(), pending); err != nil {
		t.Fatal(err)
	}
}

func hasConsent(t testing.TB, store *Store, handle string) bool {
	t.Helper()
	_, err := store.PendingConsent(t.Context(), bridge.HashOf(handle), begin)
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func mustBackup(t testing.TB, store *Store, path string) {
	t.Helper()
	if err := store.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
}

func mustRename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func wantReplaced(t testing.TB, store *Store, want bool) {
	t.Helper()
	if _, err := store.ReadFeed(t.Context(), bridge.Position{}); errors.Is(err, bridge.ErrStoreReplaced) != want || err != nil && !want {
		t.Errorf("ReadFeed: %v; want ErrStoreReplaced: %v", err, want)
	}
}

// wantIntact checks the integrity of a database file with a connection of its own.
func wantIntact(t testing.TB, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", engine.FileURI(path)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		problems, err := engine.Texts(db.Query("PRAGMA " + pragma))
		if err != nil || len(problems) > 1 || len(problems) == 1 && problems[0] != "ok" {
			t.Errorf("%s of %s: %v, %v", pragma, path, problems, err)
		}
	}
}

// TestReplaced puts a backup over a live database that two servers have open. They find out when they read the feed,
// and the file that is opened next has the contents of the backup: the log of the old file was not applied to it.
func TestReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	store, second := openFile(t, path), openFile(t, path)
	fill(t, store)
	mustBackup(t, store, path+".backup")
	want := contents(t, store, "links", "tokens", "codes", "pending_consents")
	addConsent(t, store, "after the backup")
	addConsent(t, second, "after the backup, too")
	wantReplaced(t, store, false)

	mustRename(t, path+".backup", path)
	for range 2 {
		wantReplaced(t, store, true)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old write-ahead log: %v", err)
	}
	again := openFile(t, path) // the first server after its restart, while the second has not read the feed
	addConsent(t, again, "after the restart")
	wantReplaced(t, second, true)
	wantReplaced(t, again, false)
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Errorf("the write-ahead log of the new file: %v", err)
	}
	if err := errors.Join(store.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	if hasConsent(t, again, "after the backup") || !hasConsent(t, again, "after the restart") {
		t.Error("the new file does not have what was written to it, or has what was not")
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	wantIntact(t, path)
	restored := openFile(t, path)
	if !hasConsent(t, restored, "after the restart") {
		t.Error("a write to the new file is lost")
	}
	delete(want, "pending_consents")
	wantContents(t, "after the restore", contents(t, restored, exported...), want)
}

// TestMissing moves the file away. ReadFeed returns a plain error each time, nothing is created, and the store goes
// on when the file is put back, and finds a backup that is put there later.
func TestMissing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := openFile(t, path)
	addConsent(t, store, "before")
	mustBackup(t, store, path+".backup")
	addConsent(t, store, "after")
	mustRename(t, path, path+".away")
	for range 2 {
		_, err := store.ReadFeed(t.Context(), bridge.Position{})
		if !errors.Is(err, engine.ErrMissing) || errors.Is(err, bridge.ErrStoreReplaced) {
			t.Errorf("ReadFeed: %v", err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was created: %v", err)
	}
	mustRename(t, path+".away", path)
	wantReplaced(t, store, false)
	if second := openFile(t, path); !hasConsent(t, store, "after") || !hasConsent(t, second, "after") {
		t.Error("a write is lost, though the file was put back")
	}
	mustRename(t, path, path+".away")
	wantRestored(t, store, path)
}

// TestReplacedUnnoticed closes the store before it reads the feed.
func TestReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := openFile(t, path)
	addConsent(t, store, "before")
	mustBackup(t, store, path+".backup")
	addConsent(t, store, "after")
	wantRestored(t, store, path)
}

// TestMissingUnnoticed closes the store while no file stands under the path.
func TestMissingUnnoticed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := openFile(t, path)
	addConsent(t, store, "before")
	mustBackup(t, store, path+".backup")
	addConsent(t, store, "after")
	mustRename(t, path, path+".away")
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if away := openFile(t, path+".away"); !hasConsent(t, away, "after") {
		t.Error("a write is lost that was only in the write-ahead log")
	}
	wantRestored(t, store, path)
}

// wantRestored puts a backup with the consent "before" into place, closes the store, and opens the backup.
func wantRestored(t *testing.T, store *Store, path string) {
	t.Helper()
	mustRename(t, path+".backup", path)
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	restored := openFile(t, path)
	if !hasConsent(t, restored, "before") || hasConsent(t, restored, "after") {
		t.Error("the database does not have the contents of the backup")
	}
	wantIntact(t, path)
}

// TestReplacedLogStays verifies that ReadFeed does not ask for a restart while the old log could be applied to the
// new file.
func TestReplacedLogStays(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "bridge.db")
	store := openFile(t, path)
	mustBackup(t, store, path+".backup")
	mustRename(t, path+".backup", path)
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+"-shm", "full"), 0o700); err != nil { // which cannot be removed
		t.Fatal(err)
	}
	if _, err := store.ReadFeed(t.Context(), bridge.Position{}); err == nil || errors.Is(err, bridge.ErrStoreReplaced) {
		t.Errorf("ReadFeed: %v", err)
	}
}
