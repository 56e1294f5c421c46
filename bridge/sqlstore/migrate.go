package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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

// dialect is what differs between the databases when they are opened.
type dialect struct {
	goose goose.Dialect
	// tables lists the tables that a program's data is in.
	tables string
}

var (
	sqliteDialect   = dialect{goose.DialectSQLite3, `SELECT name FROM sqlite_master WHERE type = 'table'`}
	postgresDialect = dialect{goose.DialectPostgres,
		`SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`}
)

// bringUpToDate checks that the database has the schema of this program, and gives it that schema if it may. Several
// processes may do so at once: the migration of all but one fails, and they find it done when they try again.
func bringUpToDate(ctx context.Context, db *sql.DB, dialect dialect, migrate bool) error {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		schema, err := goose.NewProvider(dialect.goose, db, folder,
			goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return err
		}
		err = bringUpToDateOnce(ctx, db, dialect, schema, migrate)
		if err == nil && migrate {
			return giveEpoch(ctx, db)
		}
		if err == nil || errors.Is(err, ErrSchema) || try == migrateTries {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func bringUpToDateOnce(ctx context.Context, db *sql.DB, dialect dialect, schema *goose.Provider, migrate bool) error {
	sources := schema.ListSources()
	wanted := sources[len(sources)-1].Version
	have, err := schemaVersion(ctx, db, dialect)
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
func schemaVersion(ctx context.Context, db *sql.DB, dialect dialect) (int64, error) {
	tables, err := texts(db.QueryContext(ctx, dialect.tables))
	if sqliteError, ok := errors.AsType[*sqlite.Error](err); ok && sqliteError.Code()&0xff == sqlite3.SQLITE_NOTADB {
		return 0, fmt.Errorf("%w: it is not a SQLite database", ErrSchema)
	}
	switch {
	case err != nil || len(tables) == 0:
		return 0, err
	case !slices.Contains(tables, schemaTable):
		return 0, fmt.Errorf("%w: it holds the tables of another program; give the bridge a database or a schema of its own", ErrSchema)
	}
	var version int64
	err = db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+schemaTable).Scan(&version)
	return version, err
}

// texts reads rows of one text.
func texts(rows *sql.Rows, err error) ([]string, error) {
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
