package testbridge

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
)

// CreateDatabase creates a SQLite file that has the tables, but no epoch yet, as in a start that was interrupted. To
// run the migrations anew for each of hundreds of bridges takes much of the time of their tests. It leaves a file that
// is there as it is.
func CreateDatabase(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	file, err := migrated()
	if err == nil {
		err = os.WriteFile(path, file, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// migrated returns what CreateDatabase writes.
var migrated = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "testbridge-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "bridge.db")
	store, err := sqlstore.Open(context.Background(),
		sqlstore.Options{Driver: sqlstore.SQLite, DSN: path, Create: true})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(store.Close(), removeEpoch(path)); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// removeEpoch lets the next start give the database an epoch.
func removeEpoch(path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.Exec(`UPDATE feed SET epoch = ''`)
	return errors.Join(err, db.Close())
}
