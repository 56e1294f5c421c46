package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"
)

const (
	// readers is how many connections read. More make reads slower, since they share one cache of the operating system
	// but not their own.
	readers = 4
	// busyTimeout is how long a write waits for another process to finish its own.
	busyTimeout = 5 * time.Second
	// readTimeout is how long a reading waits. Nothing that this program does makes it wait.
	readTimeout = time.Second
)

// openSQLite opens a database file three times: one connection that writes, a few that can only read, and one that follows
// the feed.
func openSQLite(ctx context.Context, options Options, tell func([]string)) (*database, error) {
	if err := prepareFile(options); err != nil {
		return nil, err
	}
	if err := checkForeign(ctx, options.DSN); err != nil {
		return nil, err
	}
	writer, err := openFile(options.DSN, nil, 1, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	if err := bringUpToDate(ctx, writer, sqliteDialect, options.Create); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	file, err := rememberFile(options.DSN)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	commits := newGroupCommit(writer, file, tell)
	open := &database{writer: commits, refreshes: newRefreshes(1, gatherFor, commits.refresh), file: file}
	readOnly := url.Values{"_pragma": {"query_only(1)"}}
	open.reader, err = openFile(options.DSN, file, readers, readOnly)
	if err != nil {
		return nil, errors.Join(err, open.writer.close())
	}
	feed, err := openFile(options.DSN, file, 1, readOnly)
	if err != nil {
		return nil, errors.Join(err, open.writer.close(), open.reader.Close())
	}
	open.follower = &follower{db: feed}
	open.lookups = newLookups(open.reader, readers)
	if err = openAll(ctx, open.reader, readers); err == nil {
		err = open.lookups.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, open.close())
	}
	return open, nil
}

func openFile(path string, file *sqliteFile, connections int, more url.Values) (*sql.DB, error) {
	plain, err := sql.Open("sqlite", sqliteDSN(path, more))
	if err != nil {
		return nil, err
	}
	defer plain.Close() // it has no connection; only its driver is wanted
	db := sql.OpenDB(&sameFile{plain.Driver(), sqliteDSN(path, more), file})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// sameFile connects to the file that was opened first, and to no other that stands in its place now: such a connection
// would read the old one's log.
type sameFile struct {
	driver driver.Driver
	dsn    string
	file   *sqliteFile // nil: whatever is there
}

func (s *sameFile) Connect(context.Context) (driver.Conn, error) {
	if s.file.replaced() {
		return nil, errReplaced
	}
	return s.driver.Open(s.dsn)
}

func (s *sameFile) Driver() driver.Driver { return s.driver }

// openAll opens all connections of a pool now, so that none has to be opened when the file may be another.
func openAll(ctx context.Context, db *sql.DB, connections int) error {
	for range connections {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
	}
	return nil
}

// prepareFile makes the file when that is wanted, readable by its owner only: SQLite gives its companions, the log and
// the shared memory, the same rights.
func prepareFile(options Options) error {
	if options.Create {
		file, err := os.OpenFile(options.DSN, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("cannot create the database: %w", err)
		}
		return file.Close()
	}
	if _, err := os.Stat(options.DSN); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w at %s", ErrNoDatabase, options.DSN)
	}
	return nil
}

// checkForeign refuses a file that is not ours before anything changes it: to be opened for writing turns it to WAL.
func checkForeign(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fileURI(path)+"?mode=ro&_pragma="+url.QueryEscape(fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := schemaVersion(ctx, db, sqliteDialect); errors.Is(err, ErrSchema) {
		return err
	}
	return nil // whatever else is wrong with it shows when it is opened
}

func fileURI(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

// sqliteDSN names a file with what every connection to it needs: set here, because a pragma that is executed reaches one
// connection of a pool only.
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
			"mmap_size(1073741824)", // a page is used where the operating system has it, instead of being copied by a system call
			"temp_store(MEMORY)",    // what a savepoint could need to go back
		}, more["_pragma"]...),
	}
	if lock := more.Get("_txlock"); lock != "" {
		query.Set("_txlock", lock)
	}
	return fileURI(path) + "?" + query.Encode()
}
