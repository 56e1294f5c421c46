//go:build strict

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
	"alexa-oidc-bridge/bridge/storetest"
	"alexa-oidc-bridge/internal/postgrestest"
)

// databases returns functions that open a new, empty database, by driver. PostgreSQL's collation sorts the ids of links
// in another order than SQLite.
func databases(t testing.TB) map[string]func(testing.TB) *Store {
	postgrestest.Shared(t) // or skip the test
	return map[string]func(testing.TB) *Store{
		SQLite:     newSQLite,
		PostgreSQL: func(t testing.TB) *Store { return openDSN(t, newDanish(t)) },
	}
}

// danish is a database that has the tables, but no epoch yet. It is copied, as the file that migrated returns is.
var danish struct {
	once sync.Once
	dsn  string
}

// newDanish returns a new database without links, whose collation is Danish.
func newDanish(t testing.TB) (dsn string) {
	t.Helper()
	server := postgrestest.Shared(t)
	danish.once.Do(func() {
		dsn := server.LocalizedFor(t, "da-DK")
		db, err := engine.Open(context.Background(), engine.Options{Driver: PostgreSQL, DSN: dsn, Create: true})
		must(t, err)
		must(t, db.Close())
		danish.dsn = dsn
	})
	return server.CopyFor(t, danish.dsn)
}

func openDSN(t testing.TB, dsn string) *Store {
	return openStore(t, Options{Driver: PostgreSQL, DSN: dsn})
}

// newPostgreSQL opens a new database. The connection that it returns is beside the store.
func newPostgreSQL(t *testing.T) (*fixture, *sql.DB) {
	t.Helper()
	dsn := postgrestest.Shared(t).DatabaseFor(t)
	beside, err := sql.Open("pgx", dsn)
	must(t, err)
	t.Cleanup(func() { beside.Close() })
	return newFixture(t, openDSN(t, dsn)), beside
}

// cut terminates the connections of a store.
func cut(t *testing.T, store *Store) {
	t.Helper()
	must(t, postgrestest.Shared(t).Cut(store.db.Options.DSN))
}

// TestPostgreSQL runs the suite on a database whose collation is a language's, as in production, and not that of
// bytes.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	postgrestest.Shared(t) // or skip the test
	storetest.Run(t, func(t *testing.T) bridge.Store { return openDSN(t, newDanish(t)) })
}

// TestReplicasStartAtOnce verifies that replicas that create one database at the same time all start, with one epoch.
func TestReplicasStartAtOnce(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	for range 3 {
		dsn := server.DatabaseFor(t)
		stores, errs := make([]*Store, 6), make([]error, 6)
		var group sync.WaitGroup
		for i := range stores {
			group.Go(func() {
				stores[i], errs[i] = Open(context.Background(), Options{Driver: PostgreSQL, DSN: dsn, Create: true})
			})
		}
		group.Wait()
		epochs := map[string]bool{}
		for i, store := range append(stores, openDSN(t, dsn)) {
			if i < len(errs) && errs[i] != nil {
				t.Fatalf("start %d: %v", i, errs[i])
			}
			feed, err := store.ReadFeed(t.Context(), bridge.Position{})
			must(t, err)
			epochs[feed.Position.Epoch] = true
			must(t, store.Close())
		}
		if len(epochs) != 1 || epochs[""] {
			t.Errorf("epochs: %v", epochs)
		}
	}
}

// TestNotify verifies that a revocation in one process wakes another.
func TestNotify(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Shared(t).DatabaseFor(t)
	here, there := openDSN(t, dsn), newFixture(t, openDSN(t, dsn))
	there.grant("one")
	must(t, errOf(here.ReadFeed(t.Context(), bridge.Position{})))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	woken := make(chan bool)
	go func() {
		here.WaitForEvents(ctx)
		woken <- ctx.Err() == nil
	}()
	there.revoke("one", "x")
	if !<-woken {
		t.Error("WaitForEvents waited until the end of its context")
	}
}

// TestSeveralHosts verifies that of several hosts one that does not answer is passed over within the timeout of a
// reader of the feed. On a busy machine the other host may not answer in time either, but does so in the end.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	hung := server.ProxyForTest(t)
	hung.Set(postgrestest.Hang)
	dsn := server.DatabaseFor(t)
	must(t, openDSN(t, dsn).Close())
	read := func() error {
		options := Options{Driver: PostgreSQL, DSN: strings.Replace(dsn, "@", "@"+hung.Address()+",", 1)}
		store, err := Open(t.Context(), options)
		if err != nil {
			return err
		}
		defer store.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return errOf(store.ReadFeed(ctx, bridge.Position{}))
	}
	err := read()
	for try := 0; err != nil && try < 20; try++ {
		err = read()
	}
	must(t, err)
}

// TestConnectionsCut verifies that every method works again after all connections were cut, and that a cut is never
// reported as an answer.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	f, _ := newPostgreSQL(t)
	store := f.store
	f.grant("one")
	var position bridge.Position
	for range 3 {
		feed, err := store.ReadFeed(t.Context(), position)
		must(t, err)
		position = feed.Position
		cut(t, store)
		for try := 0; ; try++ {
			_, feedErr := store.ReadFeed(t.Context(), position)
			_, linksErr := store.Links(t.Context(), bridge.LinkFilter{})
			_, lookupErr := store.Lookup(t.Context(), bridge.HashOf("one access"))
			writeErr := store.TouchLinks(t.Context(), []bridge.Use{{LinkID: "lnk_x", At: begin}})
			if feedErr == nil && linksErr == nil && lookupErr == nil && writeErr == nil {
				break
			}
			if errors.Is(lookupErr, bridge.ErrNotFound) || try == 20 {
				t.Fatalf("%v, %v, %v, %v", feedErr, linksErr, lookupErr, writeErr)
			}
		}
	}
}

// TestFrozenInTransaction verifies that the server releases the locks of a process that stops in a transaction.
func TestFrozenInTransaction(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Shared(t).DatabaseFor(t)
	f, frozen := newFixture(t, openDSN(t, dsn)), openDSN(t, dsn)
	f.grant("one")
	begun, thaw, result := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		result <- frozen.write(context.Background(), func(tx *transaction) error {
			_, err := tx.revokeLinks(bridge.Revocation{Reason: "frozen", At: begin}, `id = $4`, "lnk_one")
			err = errors.Join(err, tx.ExecOnce(`SET LOCAL idle_in_transaction_session_timeout = '200ms'`))
			close(begun)
			<-thaw
			return err
		})
	}()
	<-begun
	f.revoke("one", "x")
	wantReason(t, f.store, "one", "x")
	close(thaw)
	if err := <-result; err == nil {
		t.Error("the frozen transaction succeeded")
	}
}

// TestHangs verifies that calls on a server that does not answer end with their context, without an answer, and that
// they succeed when it answers again.
func TestHangs(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	proxy := server.ProxyForTest(t)
	store := openDSN(t, proxy.DSN(server.DatabaseFor(t)))
	newFixture(t, store).grant("one")
	lookup := func(ctx context.Context) error { return errOf(store.Lookup(ctx, bridge.HashOf("one access"))) }
	refresh := func(ctx context.Context) error { return errOf(store.Refresh(ctx, *stableRefresh("one", "never"))) }
	must(t, lookup(t.Context())) // and now there is a connection
	proxy.Set(postgrestest.Hang)
	for _, call := range []func(context.Context) error{refresh, refresh, refresh, lookup} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := call(ctx); err == nil || errors.Is(err, bridge.ErrNotFound) {
			t.Error(err)
		}
		cancel()
	}
	proxy.Set(postgrestest.Open)
	_, err := store.Refresh(t.Context(), *stableRefresh("one", "after"))
	for try := 0; err != nil && try < 20; try++ { // connections from before may be broken
		_, err = store.Refresh(t.Context(), *stableRefresh("one", "after"))
	}
	must(t, err)
}
