package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Options say which database to open.
type Options struct {
	// Driver is "sqlite".
	Driver string
	// DSN is the path of the database file.
	DSN string
	// Create makes the database when there is none, and brings an older schema up to date. Without it Open refuses both.
	Create bool
}

// Errors of [Open] that an operator can mend.
var (
	ErrNoDatabase = errors.New("there is no database")
	ErrSchema     = errors.New("the database does not have the schema of this program")
)

// Store is a [bridge.Store] on a SQL database.
type Store struct {
	reader *sql.DB
	writer *groupCommit
	lookUp *sql.Stmt
}

var _ bridge.Store = (*Store)(nil)

// Open opens a database. Its errors are [ErrNoDatabase], [ErrSchema] or what the driver says.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.Driver != "sqlite" {
		return nil, fmt.Errorf("sqlstore: unknown driver %q", options.Driver)
	}
	writer, reader, err := openSQLite(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	lookUp, err := reader.PrepareContext(ctx, lookUpStatement)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: %w", err), reader.Close(), writer.Close())
	}
	return &Store{reader: reader, writer: newGroupCommit(writer), lookUp: lookUp}, nil
}

// Ping says whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM links WHERE id = ''`).Scan(&one)
}

// Close finishes the writes that were begun and closes the database.
func (s *Store) Close() error {
	return errors.Join(s.writer.close(), s.lookUp.Close(), s.reader.Close())
}

// write runs one transaction. When it returns nil, the transaction is on disk.
func (s *Store) write(ctx context.Context, transaction func(*sql.Tx) error) error {
	return s.writer.write(ctx, transaction)
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
