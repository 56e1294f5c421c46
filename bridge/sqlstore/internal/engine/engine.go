// Package engine opens a SQL database, SQLite or PostgreSQL, and runs queries and transactions on it. It keeps the
// connections and the migrations, and does not know what the tables mean.
//
// SQL is one text for both databases: placeholders are $1, $2, …, and a statement first mentions them in that order,
// because SQLite numbers them as it meets them.
package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Drivers.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgres"
)

// Options selects a database.
type Options struct {
	Driver string // SQLite or PostgreSQL
	DSN    string // the path of the SQLite file, or the postgres:// URL
	Create bool   // create the file and the tables, and migrate an older schema
}

// Errors of [Open].
var (
	ErrNoDatabase = errors.New("there is no database")
	ErrSchema     = errors.New("the database does not have the schema of this program")
	ErrUnsafe     = errors.New("the settings of the database could lose or corrupt data")
)

// ErrOldSchema is the [ErrSchema] of a database that this program can migrate.
var ErrOldSchema = fmt.Errorf("%w yet", ErrSchema)

// ErrClosed is the error of a transaction that begins after [DB.Close].
var ErrClosed = errors.New("the store is closed")

// DB is an open database. It is safe for concurrent use.
type DB struct {
	Options  Options
	Listener *Listener
	Reader   *sql.DB // for queries outside transactions

	writer writer
	file   *databaseFile // nil on PostgreSQL
}

// writer runs transactions. When write returns nil, the transaction is durable. When it returns an error, the
// transaction was rolled back, unless the context or the connection ended during the commit.
type writer interface {
	write(ctx context.Context, do func(*Tx) error) error
	// close waits for the transactions that have begun. complete: a SQLite file has them all without its write-ahead log.
	close() (complete bool, err error)
}

// Open opens a database and checks its schema. Its errors wrap [ErrNoDatabase], [ErrSchema] or [ErrUnsafe], or come
// from the driver.
func Open(ctx context.Context, options Options) (*DB, error) {
	switch options.Driver {
	case SQLite:
		return openSQLite(ctx, options)
	case PostgreSQL:
		return openPostgreSQL(ctx, options)
	}
	return nil, fmt.Errorf("unknown driver %q; use %q or %q", options.Driver, SQLite, PostgreSQL)
}

// Close waits for the transactions that have begun and closes all connections. If the SQLite file was replaced or is
// missing, it removes the old file's write-ahead log: SQLite would leave it for the next file under the path. It keeps
// the log of a missing file that needs it, and returns [ErrMissing].
func (d *DB) Close() error {
	complete, writerErr := d.writer.close()
	_, err := d.Replaced()
	if errors.Is(err, ErrMissing) && complete {
		err = d.file.removeWAL()
	}
	return errors.Join(writerErr, err, d.Listener.close(), d.Reader.Close())
}

// Write runs a transaction. When it returns nil, the transaction is durable. The function may be called more than
// once, each time after a rollback, and must not keep results of an earlier call.
func (d *DB) Write(ctx context.Context, do func(*Tx) error) error { return d.writer.write(ctx, do) }

// Checkpoint copies the write-ahead log of SQLite to the file while others read and write. Whoever writes much calls it
// now and then: else the commit by which the log becomes long does it, and others wait. PostgreSQL does it by itself.
func (d *DB) Checkpoint(ctx context.Context) error {
	if d.Options.Driver != SQLite {
		return nil
	}
	_, err := checkpoint(ctx, d.Reader)
	return err
}

// Snapshot runs queries that all see the database as it is at the first of them.
func (d *DB) Snapshot(ctx context.Context, read func(*sql.Tx) error) error {
	tx, err := d.Reader.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	if d.Options.Driver == PostgreSQL {
		// The reader may pause between queries, for a slow pipe or network. The snapshot holds no lock that others
		// wait for.
		if _, err := tx.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
	}
	return read(tx)
}

// Texts reads rows of one column. It takes the results of a Query method.
func Texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
