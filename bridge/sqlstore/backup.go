package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors of [Store.Backup].
var (
	ErrNotSQLite = errors.New("only a SQLite database can be copied")
	ErrNoRoom    = errors.New("there is not enough room")
)

// Backup copies a SQLite database, as it is at one moment, into a file that is empty or is not there. Others write meanwhile.
// The copy gets an epoch of its own, so that processes which see it in place of the original drop what they hold.
//
// When it returns, the copy is complete but may not be on disk. After an error, part of it may be there, and files of the
// same name that end in -journal, -wal or -shm.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.options.Driver != SQLite {
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

// vacuumInto copies by a connection of its own: those that the store reads with may not write, not even elsewhere.
func (s *Store) vacuumInto(ctx context.Context, path string) error {
	db, err := openFile(s.options.DSN, nil, 1, nil)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, path)
	return errors.Join(err, db.Close())
}

// renewEpoch gives the copy an epoch of its own, and turns it to the write-ahead log, which VACUUM INTO does not: a server
// that finds it in the place of its database needs no lock then to open it. The log is gone when it is closed.
func renewEpoch(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fileURI(path)+"?mode=rw&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `UPDATE feed SET epoch = $1 WHERE id = 1`, rand.Text())
	return errors.Join(err, db.Close())
}
