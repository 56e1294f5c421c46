package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"
)

const (
	// SQLiteReaders is how many connections read. More make reading slower: each has a page cache of its own.
	SQLiteReaders = 4
	// busyTimeout is how long a write waits for the lock that another process holds.
	busyTimeout = 5 * time.Second
	// readTimeout is how long a read waits for a lock. This program never makes it wait.
	readTimeout = time.Second
)

// openSQLite opens a database file with one connection that writes, a few that can only read, and one for the
// listener.
func openSQLite(ctx context.Context, options Options) (_ *DB, err error) {
	if err := prepareFile(options); err != nil {
		return nil, err
	}
	if err := rejectForeign(ctx, options.DSN); err != nil {
		return nil, err
	}
	write, err := OpenFile(options.DSN, 1, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write, sqliteDialect, options.Create); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	readOnly := url.Values{"_pragma": {"query_only(1)"}}
	read, err := OpenFile(options.DSN, SQLiteReaders, readOnly)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	feed, err := OpenFile(options.DSN, 1, readOnly)
	if err != nil {
		return nil, errors.Join(err, write.Close(), read.Close())
	}
	db := &DB{Options: options, Reader: read, writer: newGroupCommit(write), Listener: &Listener{db: feed}}
	for _, pool := range []*sql.DB{write, read, feed} {
		err = errors.Join(err, connectAll(ctx, pool))
	}
	if err == nil {
		db.file, err = openedFile(options.DSN)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// OpenFile opens a pool of connections to a SQLite file, with more parameters of modernc.org/sqlite.
func OpenFile(path string, connections int, more url.Values) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, more))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// connectAll opens all connections of a pool now: one that is opened later could meet another file under the path.
func connectAll(ctx context.Context, db *sql.DB) error {
	for range db.Stats().MaxOpenConnections {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	return nil
}

// prepareFile creates the file if it may. Only its owner can read it, and the log and the shared memory, to which
// SQLite gives the same mode.
func prepareFile(options Options) error {
	if options.Create {
		file, err := os.OpenFile(options.DSN, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("cannot create the database: %w", err)
		}
		return file.Close()
	}
	info, err := os.Stat(options.DSN)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return fmt.Errorf("%w at %s", ErrNoDatabase, options.DSN)
	}
	return nil
}

// rejectForeign returns ErrSchema for a file of another program, before it is changed: opening it for writing would
// turn its journal mode to WAL.
func rejectForeign(ctx context.Context, path string) error {
	timeout := fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())
	db, err := sql.Open("sqlite", FileURI(path)+"?mode=ro&_pragma="+url.QueryEscape(timeout))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := schemaVersion(ctx, db, sqliteDialect); errors.Is(err, ErrSchema) {
		return err
	}
	return nil // any other error shows again when the file is opened
}

// checkpoint copies the write-ahead log to the file as far as no reader needs the file as it is, while others read and
// write, and reports whether all of it was copied.
func checkpoint(ctx context.Context, db *sql.DB) (complete bool, err error) {
	var busy, inLog, moved int
	err = db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &inLog, &moved)
	return err == nil && inLog == moved, err
}

// FileURI returns the URI by which SQLite opens exactly this path.
func FileURI(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

// sqliteDSN returns a DSN with the settings that every connection needs: a PRAGMA that is executed affects only one
// connection of a pool.
func sqliteDSN(path string, more url.Values) string {
	timeout := readTimeout
	if more.Has("_txlock") {
		timeout = busyTimeout
	}
	query := url.Values{
		"mode": {"rw"},
		"_pragma": append([]string{
			fmt.Sprintf("busy_timeout(%d)", timeout.Milliseconds()),
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"foreign_keys(1)",
			"mmap_size(1073741824)", // read pages from the operating system's cache without a system call for each
			"temp_store(MEMORY)",    // savepoints keep their rollback data in memory
		}, more["_pragma"]...),
	}
	if lock := more.Get("_txlock"); lock != "" {
		query.Set("_txlock", lock)
	}
	return FileURI(path) + "?" + query.Encode()
}
