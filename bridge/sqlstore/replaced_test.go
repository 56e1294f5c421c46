package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// keep keeps something under a handle, and found says whether it is there.
func keep(store *Store, handle string) error {
	return store.CreatePendingConsent(context.Background(), bridge.PendingConsent{Handle: bridge.HashOf(handle), ExpiresAt: time.Unix(1_900_000_000, 0)})
}

func found(t *testing.T, store *Store, handle string) bool {
	t.Helper()
	_, err := store.PendingConsent(t.Context(), bridge.HashOf(handle), time.Unix(1_800_000_000, 0))
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func copyDatabase(t *testing.T, s *Store, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", s.options.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`VACUUM INTO $1`, path); err != nil {
		t.Fatal(err)
	}
}

// A backup that is renamed over the database of a running server is what the server goes on with.
func TestReplacedByBackup(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "bridge.db"), filepath.Join(dir, "backup.db")
	store, second := create(t, path), create(t, path)
	if err := keep(store, "before"); err != nil {
		t.Fatal(err)
	}
	copyDatabase(t, store, backup)
	if err := keep(store, "after"); err != nil {
		t.Fatal(err)
	}
	link := bridge.Link{ID: bridge.NewLinkID(), CreatedAt: time.Unix(1_800_000_000, 0)}
	if err := store.write(t.Context(), func(tx *transaction) error { return insertLink(tx, &link) }); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Revoke(t.Context(), bridge.LinkFilter{}, "x", link.CreatedAt); err != nil {
		t.Fatal(err)
	}
	feed, err := store.ReadFeed(t.Context(), bridge.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	for i, s := range []*Store{store, second} {
		if !found(t, s, "before") || found(t, s, "after") {
			t.Errorf("store %d does not have what is in the backup", i)
		}
		if restored, err := s.ReadFeed(t.Context(), feed.Position); err != nil || !restored.Broken {
			t.Errorf("store %d: the feed goes on: %+v, %v", i, restored, err)
		}
		if err := keep(s, fmt.Sprint("again ", i)); err != nil {
			t.Errorf("store %d: %v", i, err)
		}
	}
	store.Close()
	second.Close()
	again := create(t, path)
	for i := range 2 {
		if !found(t, again, fmt.Sprint("again ", i)) {
			t.Errorf("what store %d kept is lost", i)
		}
	}
	var verdict string
	if err := again.open.Load().reader.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("%s, %v", verdict, err)
	}
}

// A copy of the same moment breaks the feed too: a token that was made since is in no feed.
func TestReplacedByTheSameMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := create(t, path)
	feed, err := store.ReadFeed(t.Context(), bridge.Position{})
	if err != nil {
		t.Fatal(err)
	}
	copyDatabase(t, store, path+".copy")
	if err := os.Rename(path+".copy", path); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		got, err := store.ReadFeed(t.Context(), feed.Position)
		if err != nil || got.Broken != want || got.Position != feed.Position {
			t.Errorf("%+v, %v; want broken: %v", got, err, want)
		}
	}
}

// A token that the old file does not have may be in the new one.
func TestUnknownInTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := create(t, path)
	if _, err := store.Lookup(t.Context(), bridge.HashOf("x")); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("before: %v", err)
	}
	copyDatabase(t, store, path+".copy")
	if err := os.Rename(path+".copy", path); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Lookup(t.Context(), bridge.HashOf("x")); err == nil || errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("err = %v; that is an answer", err)
	}
	if _, err := store.ReadFeed(t.Context(), bridge.Position{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Lookup(t.Context(), bridge.HashOf("x")); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("afterwards: %v", err)
	}
}

// While there is no file nothing is known, and no file is made.
func TestDatabaseTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := create(t, path)
	if err := keep(store, "x"); err != nil {
		t.Fatal(err)
	}
	copyDatabase(t, store, path+".copy")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := store.PendingConsent(t.Context(), bridge.HashOf("x"), time.Unix(1_800_000_000, 0))
	if err == nil || errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("err = %v; that is an answer", err)
	}
	if err := keep(store, "y"); err == nil {
		t.Error("kept, though there is no database")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	if err := os.Rename(path+".copy", path); err != nil {
		t.Fatal(err)
	}
	if !found(t, store, "x") {
		t.Error("does not recover")
	}
}

// Whatever is acknowledged after the file was replaced is in the new one.
func TestWritesWhileReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bridge.db")
	store := create(t, path)
	for round := range 5 {
		backup := filepath.Join(dir, fmt.Sprint("backup", round))
		copyDatabase(t, store, backup)
		replaced, stop := make(chan struct{}), make(chan struct{})
		kept := make([][]string, 8)
		var group sync.WaitGroup
		for i := range kept {
			group.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					handle := fmt.Sprint(round, "-", i, "-", n)
					after := isClosed(replaced)
					if keep(store, handle) == nil && after {
						kept[i] = append(kept[i], handle)
					}
				}
			})
		}
		if err := os.Rename(backup, path); err != nil {
			t.Fatal(err)
		}
		close(replaced)
		for try := 0; try < 50; try++ {
			keep(store, fmt.Sprint(round, "-", try))
		}
		close(stop)
		group.Wait()
		other, err := Open(t.Context(), Options{Driver: SQLite, DSN: path})
		if err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, handles := range kept {
			for _, handle := range handles {
				all++
				if !found(t, other, handle) {
					t.Errorf("%s is lost", handle)
				}
			}
		}
		other.Close()
		if all == 0 {
			t.Error("nothing was kept after the file was replaced")
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A full disk refuses writes and nothing else, and is forgotten when there is room again.
func TestDiskFull(t *testing.T) {
	store := create(t, filepath.Join(t.TempDir(), "bridge.db"))
	if err := keep(store, "before"); err != nil {
		t.Fatal(err)
	}
	writer := writerOf(store).db
	if _, err := writer.Exec(`PRAGMA max_page_count = 1`); err != nil { // as many as there are
		t.Fatal(err)
	}
	refused := false
	for i := 0; i < 2000 && !refused; i++ {
		refused = keep(store, fmt.Sprint("full ", i)) != nil
	}
	if !refused || !found(t, store, "before") {
		t.Errorf("refused: %v", refused)
	}
	if _, err := writer.Exec(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	if err := keep(store, "after"); err != nil || !found(t, store, "after") {
		t.Errorf("does not recover: %v", err)
	}
}

// A commit that reached the old file after it was replaced is no commit.
func TestReplacedWhileCommitting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := create(t, path)
	copyDatabase(t, store, path+".copy")
	err := store.write(t.Context(), func(tx *transaction) error {
		return os.Rename(path+".copy", path)
	})
	if !errors.Is(err, errReplaced) {
		t.Errorf("err = %v", err)
	}
	if err := keep(store, "x"); err != nil {
		t.Errorf("does not recover: %v", err)
	}
}
