package sqlstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// linkUntil makes links until the context ends, and records the tokens that the store has acknowledged.
func linkUntil(ctx context.Context, t *testing.T, store *Store, acknowledged *sync.Map, count *atomic.Int64) {
	for ctx.Err() == nil {
		link := bridge.Link{ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: begin}
		hash := bridge.HashOf(link.ID)
		pending := bridge.PendingConsent{Handle: hash, ExpiresAt: begin.Add(time.Minute)}
		err := store.CreatePendingConsent(context.Background(), pending)
		if err == nil {
			err = store.Link(context.Background(), hash, bridge.NewLink{Link: link, Token: hash})
		}
		if err != nil {
			t.Error(err)
			return
		}
		acknowledged.Store(hash, true)
		count.Add(1)
	}
}

func TestBackupWhileOthersWrite(t *testing.T) {
	skipIfShort(t)
	t.Parallel()
	folder := t.TempDir()
	store := openFile(t, filepath.Join(folder, "bridge.db"))
	other := openFile(t, filepath.Join(folder, "bridge.db"))
	mustImport(t, store, sequenceOf(implicitLinks(0, 300)), Imported{Added: 300})
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var acknowledged sync.Map
	var count atomic.Int64
	group.Go(func() { linkUntil(ctx, t, store, &acknowledged, &count) })
	group.Go(func() { linkUntil(ctx, t, other, &acknowledged, &count) })
	defer group.Wait()
	defer stop()
	for n, name := range []string{`it's "a" copy;.db`, "file:x?mode=memory", "copy.db"} {
		for count.Load() < int64(10*n) && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		var before []bridge.Hash
		acknowledged.Range(func(hash, _ any) bool { before = append(before, hash.(bridge.Hash)); return true })
		path := filepath.Join(folder, name)
		must(t, store.Backup(t.Context(), path))
		wantNoFile(t, path+"-wal")
		wantIntact(t, path)
		restored, err := Open(t.Context(), Options{Driver: SQLite, DSN: path})
		must(t, err)
		for _, hash := range before {
			if found, err := restored.Lookup(t.Context(), hash); err != nil || !found.Active(begin) {
				t.Fatalf("an acknowledged token is not in the copy: %v", err)
			}
		}
		restored.Close()
	}
}

// TestBackupEpoch verifies that a process that followed the original discards its cache when it opens the copy.
func TestBackupEpoch(t *testing.T) {
	t.Parallel()
	store := fill(t, newSQLite(t)).store
	epochs := map[string]bool{}
	original, err := store.ReadFeed(t.Context(), bridge.Position{})
	must(t, err)
	epochs[original.Position.Epoch] = true
	for range 2 {
		path := filepath.Join(t.TempDir(), "copy.db")
		must(t, store.Backup(t.Context(), path))
		restored := openFile(t, path) // as serve does
		feed, err := restored.ReadFeed(t.Context(), original.Position)
		if err != nil || !feed.Broken || epochs[feed.Position.Epoch] || feed.Position.Count != original.Position.Count {
			t.Errorf("the copy: %+v, %v", feed, err)
		}
		epochs[feed.Position.Epoch] = true
		wantContents(t, "the copy", contents(t, restored, exported...), contents(t, store, exported...))
	}
	if again, err := store.ReadFeed(t.Context(), original.Position); err != nil || again.Broken ||
		again.Position != original.Position {
		t.Errorf("the original: %+v, %v", again, err)
	}
}

func TestBackupErrors(t *testing.T) {
	t.Parallel()
	store := newSQLite(t)
	full := filepath.Join(t.TempDir(), "full.db")
	must(t, os.WriteFile(full, []byte("photos"), 0o600))
	if err := store.Backup(t.Context(), full); err == nil {
		t.Error("no error for a file that is not empty")
	}
	if kept, _ := os.ReadFile(full); string(kept) != "photos" {
		t.Errorf("a file was overwritten: %q", kept)
	}
	if err := store.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "folder.db")); err == nil {
		t.Error("no error for a folder that does not exist")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Backup(cancelled, filepath.Join(t.TempDir(), "x.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}
