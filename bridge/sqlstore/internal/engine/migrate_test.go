package engine

import (
	"database/sql"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
)

func TestMigrateSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	testMigrate(t, db, sqliteDialect, Options{Driver: SQLite, DSN: path})
}

// testMigrate opens a database whose schema has version 2, with a live link and one that was revoked.
func testMigrate(t *testing.T, db *sql.DB, dialect dialect, options Options) {
	t.Helper()
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := goose.NewProvider(dialect.goose, db, folder, goose.WithTableName(schemaTable),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schema.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	insert := `INSERT INTO links (id, client_id, grant_type, provider, issuer, subject_claim, groups_claim, subject,
		claims, email, scope, alexa_user, created_at, last_used_at, revoked_at, reason)
		VALUES ($1, 'pizza', 'implicit', 'corp', 'https://login.example.com', 'sub', 'groups', 'ada',
		'{}', '', '', '', 1, 0, $2, '')`
	for id, revokedAt := range map[string]int{"lnk_live": 0, "lnk_revoked": 1} {
		if _, err := db.ExecContext(t.Context(), insert, id, revokedAt); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), options); !errors.Is(err, ErrOldSchema) {
		t.Errorf("without Create: %v", err)
	}
	options.Create = true
	reader := open(t, options).Reader
	// A program of version 2 that still runs writes such rows, too.
	if _, err := db.ExecContext(t.Context(), insert, "lnk_later", 0); err != nil {
		t.Error(err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO pending_consents
		(handle, sealed, expires_at, decision, decided_at) VALUES ('x', '', 9, '', 0)`)
	if err != nil {
		t.Error(err)
	}
	var person string
	err = reader.QueryRowContext(t.Context(), `SELECT person FROM pending_consents`).Scan(&person)
	if err != nil || person != "" {
		t.Errorf("person %q, %v", person, err)
	}
	var signIns int
	err = reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM revoked_sign_ins`).Scan(&signIns)
	if err != nil || signIns != 0 {
		t.Errorf("%d revoked sign-ins, %v", signIns, err)
	}
	var links int
	err = reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM links
		WHERE email_claim = '' AND actor = '' AND tied_at = 0`).Scan(&links)
	if err != nil || links != 3 {
		t.Errorf("%d links, %v; want 3", links, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
