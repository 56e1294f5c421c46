package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// Errors of [Store.Backup].
var (
	ErrNotSQLite = errors.New("only a SQLite database can be backed up this way")
	ErrNoRoom    = errors.New("there is not enough room")
)

// Backup copies a SQLite database, as it is at one moment, to a path at which there is no file or an empty one. Other
// connections write meanwhile. The copy has an epoch of its own, so that processes that open it in place of the
// original discard their caches.
//
// When Backup returns, the copy is complete but may not be on disk. After an error, part of it may exist, and files
// with the same name and -journal, -wal or -shm. Its errors wrap [ErrNotSQLite] or [ErrNoRoom], or come from the
// driver.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.db.Options.Driver != SQLite {
		return ErrNotSQLite
	}
	err := s.vacuumInto(ctx, path)
	if err == nil {
		err = renewEpoch(ctx, path)
	}
	if failure, ok := errors.AsType[*sqlite.Error](err); ok && failure.Code()&0xff == sqlite3.SQLITE_FULL {
		err = fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return err
}

// vacuumInto uses a connection of its own: those of the store that read cannot write to any file.
func (s *Store) vacuumInto(ctx context.Context, path string) error {
	db, err := engine.OpenFile(s.db.Options.DSN, 1, nil)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, path)
	return errors.Join(err, db.Close())
}

// renewEpoch gives the copy a new epoch, and turns on its write-ahead log, which VACUUM INTO does not: a server that
// opens the copy then needs no exclusive lock. Closing it removes the log.
func renewEpoch(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", engine.FileURI(path)+"?mode=rw&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `UPDATE feed SET epoch = $1 WHERE id = 1`, rand.Text())
	if err == nil { // since the copy was made, the provider may replace any of them
		_, err = db.ExecContext(ctx, `UPDATE upstream_tokens SET unanswered = 1`)
	}
	return errors.Join(err, db.Close())
}
