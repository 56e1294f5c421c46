package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaTable is where goose writes which migrations were done. A name of our own tells our databases from those of other
// programs that use goose.
const schemaTable = "bridge_schema"

// migrateTries bounds how often a start tries again when another process brings the same database up to date.
const migrateTries = 20

// bringUpToDate checks that the database has the schema of this program, and gives it that schema if it may.
func bringUpToDate(ctx context.Context, db *sql.DB, migrate bool) error {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	schema, err := goose.NewProvider(goose.DialectSQLite3, db, folder,
		goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := bringUpToDateOnce(ctx, db, schema, migrate)
		if err == nil || errors.Is(err, ErrSchema) || try == migrateTries {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func bringUpToDateOnce(ctx context.Context, db *sql.DB, schema *goose.Provider, migrate bool) error {
	sources := schema.ListSources()
	wanted := sources[len(sources)-1].Version
	have, err := schemaVersion(ctx, db)
	switch {
	case err != nil || have == wanted:
		return err
	case have > wanted:
		return fmt.Errorf("%w: it has version %d, this program knows up to %d; use the newer program that made it",
			ErrSchema, have, wanted)
	case !migrate:
		return fmt.Errorf("%w: it has version %d, this program needs %d; start `serve` of this program, which brings it up to date",
			ErrSchema, have, wanted)
	}
	_, err = schema.Up(ctx)
	return err
}

// schemaVersion reads the version of a database without changing it. 0: an empty database.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var tables, ours int
	err := db.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(name = $1), 0) FROM sqlite_master WHERE type = 'table'`,
		schemaTable).Scan(&tables, &ours)
	if sqliteError, ok := errors.AsType[*sqlite.Error](err); ok && sqliteError.Code()&0xff == sqlite3.SQLITE_NOTADB {
		return 0, fmt.Errorf("%w: it is not a SQLite database", ErrSchema)
	}
	if err != nil {
		return 0, err
	}
	if ours == 0 && tables == 0 {
		return 0, nil
	}
	if ours == 0 {
		return 0, fmt.Errorf("%w: it holds the tables of another program", ErrSchema)
	}
	var version int64
	err = db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+schemaTable).Scan(&version)
	return version, err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
