//go:build strict

package engine

import (
	"context"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"

	"alexa-oidc-bridge/internal/postgrestest"
)

func newDSN(t *testing.T) string {
	t.Helper()
	return postgrestest.Shared(t).DatabaseFor(t)
}

func openDSN(t *testing.T, dsn string) *DB {
	t.Helper()
	return open(t, Options{PostgreSQL, dsn, true})
}

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestMigratePostgreSQL(t *testing.T) {
	t.Parallel()
	dsn := newDSN(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	testMigrate(t, db, postgresDialect, Options{Driver: PostgreSQL, DSN: dsn})
}

// TestContextEndsInTransaction verifies that the error is the context's, not that of the rollback.
func TestContextEndsInTransaction(t *testing.T) {
	t.Parallel()
	db := openDSN(t, newDSN(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *Tx) error {
		cancel()
		for {
			if _, err := tx.Exec(`SELECT 1`); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPostgreSQLOpenErrors(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	foreign := server.DatabaseFor(t)
	execute(t, foreign, `CREATE TABLE photos (id BIGINT)`)
	unsafe := server.DatabaseFor(t)
	execute(t, unsafe, `DO $$ BEGIN
		EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
	END $$`)
	for name, tt := range map[string]struct {
		dsn    string
		create bool
		want   error
	}{
		"no such database":   {strings.Replace(foreign, "/test_", "/nowhere_", 1), true, ErrNoDatabase},
		"another program's":  {foreign, true, ErrSchema},
		"empty, not created": {server.DatabaseFor(t), false, ErrSchema},
		"async commits":      {unsafe, true, ErrUnsafe},
	} {
		db, err := Open(t.Context(), Options{PostgreSQL, tt.dsn, tt.create})
		if err == nil {
			db.Close()
		}
		if !errors.Is(err, tt.want) || strings.Contains(fmt.Sprint(err), url.QueryEscape(server.Password)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTLS verifies that with sslmode=verify-full only the right certificate is accepted.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := postgrestest.ForTest(t, postgrestest.Config{TLS: true})
	dsn := server.VerifyFull(server.DatabaseFor(t))
	var encrypted bool
	err := openDSN(t, dsn).Reader.QueryRowContext(t.Context(), `SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).
		Scan(&encrypted)
	if err != nil || !encrypted {
		t.Errorf("encrypted: %v, %v", encrypted, err)
	}
	authority := url.QueryEscape(server.CAFile())
	for name, wrong := range map[string]string{
		"another authority":      strings.Replace(dsn, authority, url.QueryEscape(otherAuthority(t)), 1),
		"the system authorities": strings.Replace(dsn, "sslrootcert="+authority, "", 1),
	} {
		if wrong == dsn {
			t.Fatal("nothing was replaced in the DSN")
		}
		if db, err := Open(t.Context(), Options{PostgreSQL, wrong, true}); err == nil {
			db.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

// otherAuthority returns the path of a certificate for 127.0.0.1 that is not the server's.
func otherAuthority(t *testing.T) string {
	t.Helper()
	other := httptest.NewTLSServer(nil)
	defer other.Close()
	path := filepath.Join(t.TempDir(), "other.crt")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMissingCertificate verifies that the error names the file and does not contain the password.
func TestMissingCertificate(t *testing.T) {
	t.Parallel()
	dsn := "postgres://bridge:geheim@localhost/bridge?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"
	_, err := Open(t.Context(), Options{PostgreSQL, dsn, false})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("err = %v", err)
	}
}

func TestServerLimits(t *testing.T) {
	t.Parallel()
	dsn := newDSN(t)
	for dsn, want := range map[string]string{dsn: "5s 5s", dsn + "&lock_timeout=7s": "7s 5s"} {
		db := openDSN(t, dsn)
		for _, pool := range []*sql.DB{db.Reader, db.Listener.db, db.writer.(*pool).db} {
			var got string
			err := pool.QueryRow(`SELECT current_setting('lock_timeout') || ' ' ||
				current_setting('idle_in_transaction_session_timeout')`).Scan(&got)
			if err != nil || got != want {
				t.Errorf("%s, %v; want %s", got, err, want)
			}
		}
	}
}

// TestDeadlock verifies that transactions that deadlock all succeed in the end. How often the database rolls one back
// depends on the moment at which it looks.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	db := openDSN(t, newDSN(t))
	err := db.Write(t.Context(), func(tx *Tx) error {
		return errors.Join(insertConsent(tx, "0"), insertConsent(tx, "1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	const update = `UPDATE pending_consents SET sealed = 'x' WHERE handle = $1`
	locked := []chan struct{}{make(chan struct{}), make(chan struct{})}
	tries, errs := make([]int, 2), make([]error, 2)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			errs[i] = db.Write(t.Context(), func(tx *Tx) error {
				tries[i]++
				if _, err := tx.Exec(update, fmt.Sprint(i)); err != nil {
					return err
				}
				if tries[i] == 1 {
					close(locked[i])
				}
				<-locked[1-i]
				_, err := tx.Exec(update, fmt.Sprint(1-i))
				return err
			})
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil || tries[0]+tries[1] < 3 {
		t.Errorf("after %v tries: %v", tries, err)
	}
}

// TestSlowSnapshot verifies that a snapshot may pause for longer than other transactions.
func TestSlowSnapshot(t *testing.T) {
	t.Parallel()
	dsn := newDSN(t)
	openDSN(t, dsn) // migrates in transactions, which may pause too
	dsn += "&idle_in_transaction_session_timeout=1s"
	db := openDSN(t, dsn)
	err := db.Snapshot(t.Context(), func(tx *sql.Tx) error {
		conn, err := pgx.Connect(t.Context(), dsn) // another session, which the server ends after the timeout
		if err != nil {
			return err
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), `BEGIN`); err != nil {
			return err
		}
		if _, err := conn.WaitForNotification(t.Context()); err == nil {
			t.Error("the other session was not ended")
		}
		var n int
		return tx.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM links`).Scan(&n)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNotExecuted(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		&pgconn.PgError{Code: "40001"}:                           true,
		fmt.Errorf("insert: %w", &pgconn.PgError{Code: "0A000"}): true,
		&pgconn.PgError{Code: "57P01"}:                           false,
		io.ErrUnexpectedEOF:                                      false,
		context.DeadlineExceeded:                                 false,
	} {
		if NotExecuted(err) != want {
			t.Errorf("NotExecuted(%v) = %v", err, !want)
		}
	}
}
