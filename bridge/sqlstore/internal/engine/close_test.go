package engine

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// TestCloseKeepsNeededLog closes a database whose file was moved away, while another process reads it as it was before
// the last write. Only the write-ahead log has that write, so it must stay for the file that is put back.
func TestCloseKeepsNeededLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	db := openPath(t, path)
	reader := beginReading(t, path)
	if err := db.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE feed SET epoch = 'last write'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); !errors.Is(err, ErrMissing) {
		t.Errorf("Close returned %v, want ErrMissing", err)
	}
	reader.Rollback()
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	epochs, err := Texts(openPath(t, path).Reader.QueryContext(t.Context(), `SELECT epoch FROM feed`))
	if err != nil || len(epochs) != 1 || epochs[0] != "last write" {
		t.Errorf("the database has %q, %v; the last write is lost", epochs, err)
	}
}

// beginReading starts a transaction that reads the database as it is now, through a pool that Close does not know.
func beginReading(t *testing.T, path string) *sql.Tx {
	t.Helper()
	pool, err := OpenFile(path, 1, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	tx, err := pool.BeginTx(context.WithoutCancel(t.Context()), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Texts(tx.Query(`SELECT epoch FROM feed`)); err != nil {
		t.Fatal(err)
	}
	return tx
}

// TestCheckpoint copies only the database file after a checkpoint. Everything that was written is in it.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bridge.db")
	db := openPath(t, path)
	if err := writeConsent(t.Context(), db, "last write"); err != nil {
		t.Fatal(err)
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "bridge.db")
	if err := os.WriteFile(backup, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if !hasConsent(t, openPath(t, backup), "last write") {
		t.Error("the file lacks the last write")
	}
}
