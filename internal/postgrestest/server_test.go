package postgrestest_test

import (
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/internal/postgrestest"
)

func TestServer(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	t.Run("databases are empty and apart", func(t *testing.T) { testDatabases(t, server) })
	t.Run("databases made side by side", func(t *testing.T) { testSideBySide(t, server) })
	t.Run("password by TCP", func(t *testing.T) { testPassword(t, server.DSN("postgres")) })
	t.Run("password by the unix socket", func(t *testing.T) { testPassword(t, server.SocketDSN("postgres")) })
	t.Run("cut", func(t *testing.T) { testCut(t, server) })
	t.Run("stop and start again", func(t *testing.T) { testStopAndStartAgain(t, server) })
	t.Run("a fault shows the log", testFaultShowsTheLog)
}

func testDatabases(t *testing.T, server *postgrestest.Server) {
	first, second := server.DatabaseFor(t), server.DatabaseFor(t)
	run(t, first, "CREATE TABLE t (n int)")
	run(t, second, "CREATE TABLE t (n int)")
	if got := ask[string](t, first, "SELECT current_user::text"); got != server.User {
		t.Errorf("the user is %q, want %q", got, server.User)
	}
	if ask[bool](t, first, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") {
		t.Error("the user is a superuser")
	}
	if got := ask[string](t, first, "SHOW fsync"); got != "off" {
		t.Errorf("fsync is %q, want off", got)
	}
}

func testSideBySide(t *testing.T, server *postgrestest.Server) {
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			run(t, server.DatabaseFor(t), "CREATE TABLE t (n int)")
		})
	}
}

func testPassword(t *testing.T, dsn string) {
	run(t, dsn, "SELECT 1")
	config := parse(t, dsn)
	config.Password = "wrong"
	if _, err := pgx.ConnectConfig(t.Context(), config); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("with a wrong password: %v, want 28P01", err)
	}
}

func testCut(t *testing.T, server *postgrestest.Server) {
	dsn := server.DatabaseFor(t)
	open := begin(t, dsn, "SELECT 1")
	if err := server.Cut(); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session outlived the cut")
	}
	run(t, dsn, "SELECT 1")
}

func testStopAndStartAgain(t *testing.T, server *postgrestest.Server) {
	dsn := server.DatabaseFor(t)
	run(t, dsn, "CREATE TABLE t AS SELECT 7 AS n")
	if err := server.StartAgain(); err == nil {
		t.Error("started twice")
	}
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pgx.Connect(t.Context(), dsn); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting to a stopped server: %v, want refused", err)
	}
	startAgain(t, server)
	if got := ask[int](t, dsn, "SELECT n FROM t"); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
}

func TestKill(t *testing.T) {
	for name, durable := range map[string]bool{"durable": true, "quick": false} {
		t.Run(name, func(t *testing.T) {
			server := postgrestest.ForTest(t, postgrestest.Config{Durable: durable})
			dsn := server.DatabaseFor(t)
			run(t, dsn, "CREATE TABLE t (n int)")
			run(t, dsn, "INSERT INTO t VALUES (1)")
			open := begin(t, dsn, "INSERT INTO t VALUES (2)")
			kill(t, server)
			if _, err := open.Exec(t.Context(), "COMMIT"); err == nil {
				t.Error("a transaction was committed on a killed server")
			}
			startAgain(t, server)
			if got := ask[int](t, dsn, "SELECT sum(n) FROM t"); got != 1 {
				t.Errorf("the sum is %d, want 1", got)
			}
			if !strings.Contains(server.Log(), "not properly shut down") {
				t.Errorf("no recovery in the log:\n%s", server.Log())
			}
			keepBusy(t, dsn)
			wantNothingLeft(t, server)
		})
	}
}

func wantNothingLeft(t *testing.T, server *postgrestest.Server) {
	t.Helper()
	if got := processesOf(t, server); got < 2 {
		t.Fatalf("%d processes before", got)
	}
	kill(t, server)
	if got := processesOf(t, server); got != 0 {
		t.Errorf("%d processes are left", got)
	}
	for range 2 {
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(server.SocketFolder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
	if err := server.StartAgain(); err == nil {
		t.Error("a closed server was started")
	}
}

func TestTLS(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{TLS: true})
	t.Run("verified", func(t *testing.T) { testVerifiedTLS(t, server) })
	t.Run("through a proxy", func(t *testing.T) { testProxyToPostgreSQL(t, server) })
}

func testVerifiedTLS(t *testing.T, server *postgrestest.Server) {
	dsn := server.DSN("postgres")
	query := "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	if !ask[bool](t, server.VerifyFull(dsn), query) {
		t.Error("no TLS with verify-full")
	}
	if ask[bool](t, dsn, query) {
		t.Error("TLS with disable")
	}
	unknown := strings.Replace(server.VerifyFull(dsn), "sslrootcert=", "was=", 1)
	var fault x509.UnknownAuthorityError
	if _, err := pgx.Connect(t.Context(), unknown); !errors.As(err, &fault) {
		t.Errorf("without its authority: %v, want unknown", err)
	}
}

func TestSettings(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{
		Durable: true, ICULocale: "en-US", Settings: map[string]string{"max_connections": "7"},
	})
	dsn := server.DatabaseFor(t)
	if got := ask[string](t, dsn, "SHOW max_connections"); got != "7" {
		t.Errorf("max_connections is %s, want 7", got)
	}
	if got := ask[string](t, dsn, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s, want on", got)
	}
	if !ask[bool](t, dsn, "SELECT 'a' < 'B'") {
		t.Error("text is sorted by bytes, want as in English")
	}
}

func testFaultShowsTheLog(t *testing.T) {
	_, err := postgrestest.Start(postgrestest.Config{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the server's own words", err)
	}
}

// TestServerEndsWithItsParent runs this test binary once more, as a program that starts a server and is killed.
func TestServerEndsWithItsParent(t *testing.T) {
	const role = "POSTGRESTEST_PARENT"
	server := postgrestest.ForTest(t, postgrestest.Config{})
	if os.Getenv(role) != "" {
		os.Stdout.WriteString(server.AdminDSN("postgres") + "\n")
		select {}
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsParent$")
	parent.Env = append(os.Environ(), role+"=1")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	dsn := firstLine(t, output)
	notices := watch(t, dsn)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	// It may end before its last words have left.
	if got := <-notices; !strings.Contains(got, "immediate shutdown") && !strings.Contains(got, "unexpected EOF") {
		t.Errorf("the server's last words are %q, want those of an immediate shutdown", got)
	}
	folder := filepath.Dir(parse(t, dsn).Host)
	deadline := time.Now().Add(time.Minute)
	for !errors.Is(err, os.ErrNotExist) && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
		_, err = os.Stat(folder)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v, want none", err)
	}
}
