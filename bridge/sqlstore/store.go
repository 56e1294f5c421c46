// Package sqlstore is a [bridge.Store] on a SQL database, SQLite or PostgreSQL.
//
// Each transition of the Store is one function with its SQL in it, which is the same for both databases. How they are
// opened and written to is in internal/engine: on SQLite one writer commits the transactions that wait together, on
// PostgreSQL each transaction has a connection and is run again after a deadlock. Two transitions have a shortcut
// that shares queries between callers: [Store.Lookup] on SQLite and [Store.Refresh] on PostgreSQL.
//
// A SQLite file must not be replaced while it is open: stop the servers first. A server finds a replaced file when it
// reads the feed, at most 250 ms later and the time of one read, and [Store.ReadFeed] returns
// [bridge.ErrStoreReplaced] from then on. What was written in between went to the old file and is lost. While no file
// stands under the path, ReadFeed returns another error, and the store goes on when the file is put back.
package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// Drivers, for [Options].
const (
	SQLite     = engine.SQLite
	PostgreSQL = engine.PostgreSQL
)

// Options selects a database.
type Options struct {
	Driver string // SQLite or PostgreSQL
	// DSN is the path of the SQLite file, or the postgres:// URL of the database.
	DSN string
	// Create lets Open create what is missing: the file, the tables, the migrations of an older schema. Without it,
	// Open returns an error for such a database.
	Create bool
}

// Errors of [Open] that an operator can correct.
var (
	ErrNoDatabase = engine.ErrNoDatabase
	ErrSchema     = engine.ErrSchema
	ErrOldSchema  = engine.ErrOldSchema // an ErrSchema that Options.Create corrects
	ErrUnsafe     = engine.ErrUnsafe
)

// Store is a [bridge.Store] on a SQL database.
type Store struct {
	db        *engine.DB
	lookups   *lookups                         // nil on PostgreSQL
	refreshes *engine.Batcher[*pendingRefresh] // nil on SQLite

	mu       sync.Mutex
	onRevoke []*func([]bridge.Event)
}

var _ bridge.Store = (*Store)(nil)

// Open opens a database. Its errors wrap [ErrNoDatabase], [ErrSchema] or [ErrUnsafe], or come from the driver.
func Open(ctx context.Context, options Options) (*Store, error) {
	db, err := engine.Open(ctx, engine.Options(options))
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	s := &Store{db: db}
	if err := s.prepare(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) (err error) {
	switch s.db.Options.Driver {
	case SQLite:
		s.lookups, err = newLookups(ctx, s.db)
	case PostgreSQL:
		s.refreshes = engine.NewBatcher(refreshBatches, s.refreshBatch)
	}
	if err != nil || !s.db.Options.Create {
		return err
	}
	return s.write(ctx, func(tx *transaction) error { // gives a new database its epoch; see [bridge.Position]
		_, err := tx.Exec(`UPDATE feed SET epoch = $1 WHERE id = 1 AND epoch = ''`, rand.Text())
		return err
	})
}

// Close waits for the writes that have begun and closes the database.
func (s *Store) Close() error { return s.db.Close() }

// OnRevoke registers a function to call with revocations; see [bridge.Store].
func (s *Store) OnRevoke(do func([]bridge.Event)) (unregister func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRevoke = append(s.onRevoke, &do)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.onRevoke = slices.DeleteFunc(s.onRevoke, func(other *func([]bridge.Event)) bool { return other == &do })
	}
}

func (s *Store) callOnRevoke(events []bridge.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, do := range s.onRevoke {
		(*do)(events)
	}
}

// seconds converts a time to the database's form: seconds since 1970, 0 for the zero time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// orNotFound returns ErrNotFound in place of the error of a query that found no row.
func orNotFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return bridge.ErrNotFound
	}
	return err
}
