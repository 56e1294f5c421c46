package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/postgrestest"
)

// writeOn links and refreshes without a pause until the context ends, and notes what the store has acknowledged.
func writeOn(ctx context.Context, t *testing.T, store *Store, acknowledged *sync.Map, count *atomic.Int64) {
	for ctx.Err() == nil {
		record := implicit(0)
		record.Link.ID = bridge.NewLinkID()
		hash := bridge.HashOf(record.Link.ID)
		pending := bridge.PendingConsent{Handle: hash, ExpiresAt: begin.Add(time.Minute)}
		if err := store.CreatePendingConsent(context.Background(), pending); err != nil {
			t.Error(err)
			return
		}
		if err := store.Link(context.Background(), hash, bridge.NewLink{Link: record.Link, Token: hash}); err != nil {
			t.Error(err)
			return
		}
		acknowledged.Store(hash, record.Link.ID)
		count.Add(1)
	}
}

func wantSound(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", fileURI(path)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		if faults, err := texts(db.Query("PRAGMA " + pragma)); err != nil || len(faults) > 1 || len(faults) == 1 && faults[0] != "ok" {
			t.Errorf("%s of %s: %v, %v", pragma, path, faults, err)
		}
	}
}

func TestBackupWhileOthersWrite(t *testing.T) {
	folder := t.TempDir()
	store := create(t, filepath.Join(folder, "bridge.db"))
	other := create(t, filepath.Join(folder, "bridge.db"))
	mustImport(t, store, numbered(5_000), Imported{Added: 5_000})
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var acknowledged sync.Map
	var count atomic.Int64
	for range 4 {
		group.Go(func() { writeOn(ctx, t, store, &acknowledged, &count) })
		group.Go(func() { writeOn(ctx, t, other, &acknowledged, &count) })
	}
	defer group.Wait()
	defer stop()
	for n, name := range []string{`it's "a" copy;.db`, "file:x?mode=memory", "copy.db"} {
		for count.Load() < int64(100*n) {
			time.Sleep(time.Millisecond)
		}
		var before []bridge.Hash
		acknowledged.Range(func(hash, _ any) bool { before = append(before, hash.(bridge.Hash)); return true })
		path := filepath.Join(folder, name)
		if err := store.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(journalOf(path)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the copy needs a log: %v", err)
		}
		wantSound(t, path)
		restored, err := Open(t.Context(), Options{Driver: SQLite, DSN: path})
		if err != nil {
			t.Fatal(err)
		}
		for _, hash := range before {
			if found, err := restored.Lookup(t.Context(), hash); err != nil || !found.Active(begin) {
				t.Fatalf("a token that was acknowledged is not in the copy: %v", err)
			}
		}
		restored.Close()
	}
}

// Who follows the feed and sees the copy in place of the original drops what it holds, however often one is restored.
func TestBackupHasAnEpochOfItsOwn(t *testing.T) {
	store := furnish(t, newSQLite(t)).store
	epochs := map[string]bool{}
	original, err := store.ReadFeed(t.Context(), bridge.Position{})
	if err != nil {
		t.Fatal(err)
	}
	epochs[original.Position.Epoch] = true
	for range 2 {
		path := filepath.Join(t.TempDir(), "copy.db")
		if err := store.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		restored := create(t, path) // as serve does
		feed, err := restored.ReadFeed(t.Context(), original.Position)
		if err != nil || !feed.Broken || epochs[feed.Position.Epoch] || feed.Position.Count != original.Position.Count {
			t.Errorf("%+v, %v", feed, err)
		}
		epochs[feed.Position.Epoch] = true
		wantContents(t, "the copy", contents(t, restored, moved...), contents(t, store, moved...))
	}
	if again, err := store.ReadFeed(t.Context(), original.Position); err != nil || again.Broken || again.Position != original.Position {
		t.Errorf("the original: %+v, %v", again, err)
	}
}

func TestBackupRefused(t *testing.T) {
	store := furnish(t, newSQLite(t)).store
	full := filepath.Join(t.TempDir(), "full.db")
	if err := os.WriteFile(full, []byte("photos"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Backup(t.Context(), full); err == nil {
		t.Error("a file that is not empty was taken")
	}
	if kept, _ := os.ReadFile(full); string(kept) != "photos" {
		t.Errorf("a file was overwritten: %q", kept)
	}
	if err := store.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "folder.db")); err == nil {
		t.Error("a folder that is not there was taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Backup(ended, filepath.Join(t.TempDir(), "x.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	onPostgreSQL := createPostgreSQL(t, postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t))
	if err := onPostgreSQL.Backup(t.Context(), filepath.Join(t.TempDir(), "x.db")); !errors.Is(err, ErrNotSQLite) {
		t.Errorf("PostgreSQL: %v", err)
	}
}
