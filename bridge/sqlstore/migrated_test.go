package sqlstore

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// migrated returns a SQLite file that has the tables, but no epoch yet, as in a start that was interrupted. To run the
// migrations anew for each of hundreds of databases takes most of the time of these tests.
var migrated = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "sqlstore-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "bridge.db")
	db, err := engine.Open(context.Background(), engine.Options{Driver: SQLite, DSN: path, Create: true})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func copyMigrated(t testing.TB, path string) {
	t.Helper()
	file, err := migrated()
	must(t, err)
	must(t, os.WriteFile(path, file, 0o600))
}
