package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/storetest"
)

func create(t *testing.T, path string) *Store {
	t.Helper()
	store, err := Open(t.Context(), Options{Driver: "sqlite", DSN: path, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func writerOf(store *Store) *groupCommit { return store.open.Load().writer.(*groupCommit) }

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) bridge.Store {
		return create(t, filepath.Join(t.TempDir(), "a name with %20 ? and #.db"))
	})
}

func TestPragmasOnEveryConnection(t *testing.T) {
	store := create(t, filepath.Join(t.TempDir(), "bridge.db"))
	pragmas := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "mmap_size": "1073741824"}
	for db, timeout := range map[*sql.DB]string{store.open.Load().reader: "1000", store.open.Load().follower.db: "1000", writerOf(store).db: "5000"} {
		pragmas["busy_timeout"] = timeout
		var open []*sql.Conn
		for range db.Stats().MaxOpenConnections {
			conn, err := db.Conn(t.Context())
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
	if _, err := store.open.Load().reader.Exec(`DELETE FROM links`); err == nil {
		t.Error("a reading connection can write")
	}
}

func TestOnlyServeCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	_, err := Open(t.Context(), Options{Driver: "sqlite", DSN: path})
	if !errors.Is(err, ErrNoDatabase) {
		t.Errorf("err = %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}

	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Driver: "sqlite", DSN: path}); !errors.Is(err, ErrSchema) {
		t.Errorf("an empty file: err = %v", err)
	}
	create(t, path).Close()
	again, err := Open(t.Context(), Options{Driver: "sqlite", DSN: path})
	if err != nil {
		t.Fatalf("after serve: %v", err)
	}
	again.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file can be read by others: %v, %v", info.Mode(), err)
	}
}

func TestForeignDatabases(t *testing.T) {
	newer := filepath.Join(t.TempDir(), "newer.db")
	store := create(t, newer)
	if _, err := writerOf(store).db.Exec(`INSERT INTO bridge_schema (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
	store.Close()

	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE holiday_photos (id INTEGER)`); err != nil {
		t.Fatal(err)
	}
	db.Close()

	noDatabase := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("Dear Sir or Madam, ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{newer, foreign, noDatabase} {
		before, _ := os.ReadFile(path)
		for _, serve := range []bool{true, false} {
			_, err := Open(t.Context(), Options{Driver: "sqlite", DSN: path, Create: serve})
			if !errors.Is(err, ErrSchema) {
				t.Errorf("%s, serve = %v: err = %v", filepath.Base(path), serve, err)
			}
		}
		if after, _ := os.ReadFile(path); path != newer && string(after) != string(before) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
}

// Two servers that start on one new file both come up, and each sees what the other wrote.
func TestTwoProcessesStartAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	stores := make([]*Store, 4)
	errs := make([]error, len(stores))
	var group sync.WaitGroup
	for i := range stores {
		group.Go(func() {
			stores[i], errs[i] = Open(context.Background(), Options{Driver: "sqlite", DSN: path, Create: true})
		})
	}
	group.Wait()
	now := time.Unix(1_800_000_000, 0)
	for i, store := range stores {
		if errs[i] != nil {
			t.Fatalf("start %d: %v", i, errs[i])
		}
		t.Cleanup(func() { store.Close() })
	}
	errs = make([]error, 64)
	for i := range errs {
		group.Go(func() {
			errs[i] = stores[i%len(stores)].CreatePendingConsent(context.Background(), bridge.PendingConsent{
				Handle: bridge.HashOf(fmt.Sprint(i)), ExpiresAt: now.Add(time.Minute),
			})
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		if _, err := stores[(i+1)%len(stores)].PendingConsent(t.Context(), bridge.HashOf(fmt.Sprint(i)), now); err != nil {
			t.Errorf("read %d: %v", i, err)
		}
	}
}

func TestNoTokenForARevokedLink(t *testing.T) {
	store := create(t, filepath.Join(t.TempDir(), "bridge.db"))
	now := time.Unix(1_800_000_000, 0)
	link := bridge.Link{ID: bridge.NewLinkID(), CreatedAt: now}
	add := func(token bridge.Hash) error {
		return store.write(t.Context(), func(tx *transaction) error {
			return insertToken(tx, newToken{hash: token, linkID: link.ID, kind: kindAccess, created: now})
		})
	}
	if err := add("before the link"); !errors.Is(err, bridge.ErrRevoked) {
		t.Errorf("without a link: %v", err)
	}
	if err := store.write(t.Context(), func(tx *transaction) error { return insertLink(tx, &link) }); err != nil {
		t.Fatal(err)
	}
	if err := add("while it lives"); err != nil {
		t.Errorf("while the link lives: %v", err)
	}
	if _, err := store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{link.ID}}, bridge.ReasonOperator, now); err != nil {
		t.Fatal(err)
	}
	if err := add("after its end"); !errors.Is(err, bridge.ErrRevoked) {
		t.Errorf("after the link's end: %v", err)
	}
	if found, err := store.Lookup(t.Context(), "while it lives"); err != nil || found.Active(now) {
		t.Errorf("a token of a revoked link: %+v, %v", found, err)
	}
}

// One transaction of a group that fails takes nothing of the others with it.
func TestGroupCommitIsolatesFailures(t *testing.T) {
	store := create(t, filepath.Join(t.TempDir(), "bridge.db"))
	began, release := make(chan struct{}), make(chan struct{})
	go store.write(context.Background(), func(*transaction) error { // so that the rest waits together
		close(began)
		<-release
		return nil
	})
	<-began
	failure := errors.New("refused")
	errs := make([]error, 20)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			errs[i] = store.write(context.Background(), func(tx *transaction) error {
				_, err := tx.Exec(`INSERT INTO pending_consents VALUES ($1, '', 9, '', 0)`, fmt.Sprint(i))
				if err == nil && i%2 == 1 {
					err = failure
				}
				return err
			})
		})
	}
	for len(writerOf(store).jobs) < len(errs) {
		time.Sleep(time.Millisecond)
	}
	close(release)
	group.Wait()
	for i, err := range errs {
		_, found := store.PendingConsent(t.Context(), bridge.Hash(fmt.Sprint(i)), time.Unix(1, 0))
		if i%2 == 0 && (err != nil || found != nil) {
			t.Errorf("transaction %d: %v, found: %v", i, err, found)
		}
		if i%2 == 1 && (!errors.Is(err, failure) || !errors.Is(found, bridge.ErrNotFound)) {
			t.Errorf("failed transaction %d: %v, found: %v", i, err, found)
		}
	}
}

func TestCloseFinishesWhatWasBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	store := create(t, path)
	errs := make([]error, 32)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			errs[i] = store.CreatePendingConsent(context.Background(), bridge.PendingConsent{
				Handle: bridge.HashOf(fmt.Sprint(i)), ExpiresAt: time.Unix(1_800_000_000, 0),
			})
		})
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	again := create(t, path)
	for i, err := range errs {
		_, found := again.PendingConsent(t.Context(), bridge.HashOf(fmt.Sprint(i)), time.Unix(1, 0))
		if (err == nil) != (found == nil) {
			t.Errorf("write %d: %v, found after the restart: %v", i, err, found)
		}
	}
}

// A caller that gave up while its transaction waited was told that nothing can be said, so the transaction is not run: what
// it would have used up may come again.
func TestAbandonedTransactionIsNotRun(t *testing.T) {
	store := create(t, filepath.Join(t.TempDir(), "bridge.db"))
	began, release := make(chan struct{}), make(chan struct{})
	go store.write(context.Background(), func(*transaction) error {
		close(began)
		<-release
		return nil
	})
	<-began
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	ran := false
	go func() {
		result <- store.write(ctx, func(*transaction) error { ran = true; return nil })
	}()
	for len(writerOf(store).jobs) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	close(release)
	if err := store.write(context.Background(), func(*transaction) error { return nil }); err != nil || ran {
		t.Errorf("err = %v, ran = %v", err, ran)
	}
}
