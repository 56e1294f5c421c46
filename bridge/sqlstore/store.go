package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"alexa-oidc-bridge/bridge"
)

// The databases there are, for [Options].
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgres"
)

// Options say which database to open.
type Options struct {
	Driver string // SQLite or PostgreSQL
	// DSN is the path of the database file, or the postgres:// URL of the database.
	DSN string
	// Create makes what is missing: the file, the tables, the changes that an older schema needs. Without it Open refuses
	// such a database.
	Create bool
}

// Errors of [Open] that an operator can mend.
var (
	ErrNoDatabase = errors.New("there is no database")
	ErrSchema     = errors.New("the database does not have the schema of this program")
	ErrUnsafe     = errors.New("the database is set up so that it could lose or garble what it was given")
)

// Store is a [bridge.Store] on a SQL database.
type Store struct {
	options Options
	open    atomic.Pointer[database] // nil: closed, or to be opened again
	reopen  chan struct{}            // has room for who opens or closes
	closed  bool

	mu   sync.Mutex
	told []func(linkIDs []string)
}

var _ bridge.Store = (*Store)(nil)

// database is a database that is open.
type database struct {
	reader    *sql.DB
	lookups   *lookups
	writer    writer
	refreshes *refreshes
	follower  *follower
	file      *sqliteFile // nil on PostgreSQL
}

// Open opens a database. Its errors are [ErrNoDatabase], [ErrSchema], [ErrUnsafe] or what the driver says.
func Open(ctx context.Context, options Options) (*Store, error) {
	s := &Store{options: options, reopen: make(chan struct{}, 1)}
	open, err := s.openDatabase(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	s.open.Store(open)
	return s, nil
}

func (s *Store) openDatabase(ctx context.Context) (*database, error) {
	switch s.options.Driver {
	case SQLite:
		return openSQLite(ctx, s.options, s.tell)
	case PostgreSQL:
		return openPostgreSQL(ctx, s.options, s.tell)
	}
	return nil, fmt.Errorf("unknown driver %q", s.options.Driver)
}

// OnRevoke registers who is told of ends; see [bridge.Store].
func (s *Store) OnRevoke(told func(linkIDs []string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, told)
}

// tell passes on what this process has ended.
func (s *Store) tell(linkIDs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, told := range s.told {
		told(linkIDs)
	}
}

// Close finishes the writes that were begun and closes the database.
func (s *Store) Close() error {
	s.reopen <- struct{}{}
	defer func() { <-s.reopen }()
	s.closed = true
	if open := s.open.Swap(nil); open != nil {
		return open.close()
	}
	return nil
}

func (d *database) close() error {
	return errors.Join(d.lookups.close(), d.writer.close(), d.follower.close(), d.reader.Close())
}

// write runs one transaction. When it returns nil, the transaction is on disk.
func (s *Store) write(ctx context.Context, do func(*transaction) error) error {
	open, err := s.opened(ctx)
	if err != nil {
		return err
	}
	return open.writer.write(ctx, do)
}

// reader is for reading.
func (s *Store) reader(ctx context.Context) (*sql.DB, error) {
	open, err := s.opened(ctx)
	if err != nil {
		return nil, err
	}
	return open.reader, nil
}

// seconds is how a time is kept: whole seconds, 0 for the zero time.
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

// changed says how many rows a statement changed.
func changed(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
