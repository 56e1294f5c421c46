package engine

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

const (
	// schemaTable is where goose records the migrations. Its name distinguishes our databases from those of other
	// programs that use goose.
	schemaTable = "bridge_schema"
	// migrateTries limits how often a start tries again while another process migrates the same database.
	migrateTries = 20
	// migrateInterval is the time between two tries.
	migrateInterval = 100 * time.Millisecond
)

// dialect is what differs between the databases in migrating.
type dialect struct {
	goose  goose.Dialect
	tables string // a query for the names of all tables
}

var (
	sqliteDialect   = dialect{goose.DialectSQLite3, `SELECT name FROM sqlite_master WHERE type = 'table'`}
	postgresDialect = dialect{goose.DialectPostgres,
		`SELECT table_name FROM information_schema.tables
		WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`}
)

// migrate checks the schema, and migrates it if it may. When several processes migrate at once, all but one fail, and
// find the schema migrated when they try again.
func migrate(ctx context.Context, db *sql.DB, dialect dialect, create bool) error {
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
		err = migrateOnce(ctx, db, dialect, schema, create)
		if err == nil || errors.Is(err, ErrSchema) || try == migrateTries {
			return err
		}
		select {
		case <-time.After(migrateInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func migrateOnce(ctx context.Context, db *sql.DB, dialect dialect, schema *goose.Provider, create bool) error {
	sources := schema.ListSources()
	want := sources[len(sources)-1].Version
	have, err := schemaVersion(ctx, db, dialect)
	switch {
	case err != nil || have == want:
		return err
	case have > want:
		return fmt.Errorf("%w: it has version %d, this program supports up to %d; use the newer program that created it",
			ErrSchema, have, want)
	case !create:
		return fmt.Errorf("%w: it has version %d, this program needs %d; start `serve` of this program, which migrates it",
			ErrOldSchema, have, want)
	}
	_, err = schema.Up(ctx)
	return err
}

// schemaVersion reads the schema version of a database without changing it; 0 for an empty database.
func schemaVersion(ctx context.Context, db *sql.DB, dialect dialect) (int64, error) {
	tables, err := Texts(db.QueryContext(ctx, dialect.tables))
	if sqliteError, ok := errors.AsType[*sqlite.Error](err); ok && sqliteError.Code()&0xff == sqlite3.SQLITE_NOTADB {
		return 0, fmt.Errorf("%w: it is not a SQLite database", ErrSchema)
	}
	switch {
	case err != nil || len(tables) == 0:
		return 0, err
	case !slices.Contains(tables, schemaTable):
		return 0, fmt.Errorf("%w: it holds the tables of another program; give the bridge a database or a schema of its own",
			ErrSchema)
	}
	var version int64
	err = db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+schemaTable).Scan(&version)
	return version, err
}
