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
	must(t, store.CreatePendingConsent(context.Background(), pending))
}

func hasConsent(t testing.TB, store *Store, handle string) bool {
	t.Helper()
	_, err := store.PendingConsent(t.Context(), bridge.HashOf(handle), begin)
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func wantNoFile(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", path, err)
	}
}

func wantReplaced(t testing.TB, store *Store, want bool) {
	t.Helper()
	if _, err := store.ReadFeed(t.Context(), bridge.Position{}); errors.Is(err, bridge.ErrStoreReplaced) != want ||
		err != nil && !want {
		t.Errorf("ReadFeed: %v; want ErrStoreReplaced: %v", err, want)
	}
}

// wantIntact checks the integrity of a database file with a connection of its own.
func wantIntact(t testing.TB, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", engine.FileURI(path)+"?mode=ro")
	must(t, err)
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
	must(t, store.Backup(t.Context(), path+".backup"))
	want := contents(t, store, exported...)
	addConsent(t, store, "after the backup")
	addConsent(t, second, "after the backup, too")
	wantReplaced(t, store, false)

	must(t, os.Rename(path+".backup", path))
	for range 2 {
		wantReplaced(t, store, true)
	}
	wantNoFile(t, path+"-wal")
	again := openFile(t, path) // the first server after its restart, while the second has not read the feed
	addConsent(t, again, "after the restart")
	wantReplaced(t, second, true)
	wantReplaced(t, again, false)
	must(t, errOf(os.Stat(path+"-wal"))) // of the new file
	must(t, errors.Join(store.Close(), second.Close()))
	if hasConsent(t, again, "after the backup") || !hasConsent(t, again, "after the restart") {
		t.Error("the new file does not have what was written to it, or has what was not")
	}
	must(t, again.Close())
	wantIntact(t, path)
	restored := openFile(t, path)
	if !hasConsent(t, restored, "after the restart") {
		t.Error("a write to the new file is lost")
	}
	wantContents(t, "after the restore", contents(t, restored, exported...), want)
}

// backedUp opens a database that has the consents "before" and "after", and whose backup, under the path with
// ".backup", has only the first.
func backedUp(t testing.TB) (store *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bridge.db")
	store = openFile(t, path)
	addConsent(t, store, "before")
	must(t, store.Backup(t.Context(), path+".backup"))
	addConsent(t, store, "after")
	return store, path
}

// wantRestored puts the backup into place, closes the store, and opens the backup.
func wantRestored(t *testing.T, store *Store, path string) {
	t.Helper()
	must(t, os.Rename(path+".backup", path))
	must(t, store.Close())
	restored := openFile(t, path)
	if !hasConsent(t, restored, "before") || hasConsent(t, restored, "after") {
		t.Error("the database does not have the contents of the backup")
	}
	wantIntact(t, path)
}

// TestMissing moves the file away. ReadFeed returns a plain error each time, nothing is created, and the store goes
// on when the file is put back, and finds a backup that is put there later.
func TestMissing(t *testing.T) {
	t.Parallel()
	store, path := backedUp(t)
	must(t, os.Rename(path, path+".away"))
	for range 2 {
		_, err := store.ReadFeed(t.Context(), bridge.Position{})
		if !errors.Is(err, engine.ErrMissing) || errors.Is(err, bridge.ErrStoreReplaced) {
			t.Errorf("ReadFeed: %v", err)
		}
	}
	wantNoFile(t, path)
	must(t, os.Rename(path+".away", path))
	wantReplaced(t, store, false)
	if second := openFile(t, path); !hasConsent(t, store, "after") || !hasConsent(t, second, "after") {
		t.Error("a write is lost, though the file was put back")
	}
	must(t, os.Rename(path, path+".away"))
	wantRestored(t, store, path)
}

// TestUnnoticed closes the store before it reads the feed, with the backup under its path, or first with no file.
func TestUnnoticed(t *testing.T) {
	t.Parallel()
	store, path := backedUp(t)
	wantRestored(t, store, path)

	store, path = backedUp(t)
	must(t, os.Rename(path, path+".away"))
	must(t, store.Close())
	if away := openFile(t, path+".away"); !hasConsent(t, away, "after") {
		t.Error("a write is lost that was only in the write-ahead log")
	}
	wantRestored(t, store, path)
}

// TestReplacedLogStays verifies that ReadFeed does not ask for a restart while the old log could be applied to the
// new file.
func TestReplacedLogStays(t *testing.T) {
	t.Parallel()
	store, path := backedUp(t)
	must(t, os.Rename(path+".backup", path))
	must(t, os.Remove(path+"-shm"))
	must(t, os.MkdirAll(filepath.Join(path+"-shm", "full"), 0o700)) // which cannot be removed
	if _, err := store.ReadFeed(t.Context(), bridge.Position{}); err == nil || errors.Is(err, bridge.ErrStoreReplaced) {
		t.Errorf("ReadFeed: %v", err)
	}
}
