//go:build strict

package postgrestest_test

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/internal/postgrestest"
)

// query executes statements on a connection each and returns what the last one returns as text.
func query(t *testing.T, dsn string, statements ...string) (value string) {
	t.Helper()
	for _, statement := range statements {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		err = conn.QueryRow(t.Context(), statement).Scan(&value)
		conn.Close(t.Context())
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
	}
	return value
}

func TestServer(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{Durable: true, TLS: true, ICULocale: "en-US"})
	first, second := server.DatabaseFor(t), server.DatabaseFor(t)
	query(t, first, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)")
	query(t, second, "CREATE TABLE t (n int)")
	for statement, want := range map[string]string{
		"SELECT current_user || rolsuper::text FROM pg_roles WHERE rolname = current_user": "bridgefalse",
		"SHOW fsync":               "on",
		"SELECT ('a' < 'B')::text": "true", // as in English, not by bytes
		"SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()": "true",
	} {
		if got := query(t, server.VerifyFull(first), statement); got != want {
			t.Errorf("%s: %q, want %q", statement, got, want)
		}
	}
	_, err := pgx.Connect(t.Context(), strings.Replace(first, "%3A@", "@", 1))
	if err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("wrong password: %v, want 28P01", err)
	}
	for name, end := range map[string]func() error{"Cut": server.Cut, "Stop": server.Stop, "Kill": server.Kill} {
		open, err := pgx.Connect(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := open.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("%s: a session survived", name)
		}
		if name != "Cut" {
			if err := server.StartAgain(); err != nil {
				t.Fatal(err)
			}
		}
		if got := query(t, first, "SELECT n::text FROM t"); got != "7" {
			t.Errorf("%s: %q, want the committed row", name, got)
		}
	}
	if log := server.Log(); !strings.Contains(log, "not properly shut down") {
		t.Errorf("Kill was not a crash:\n%s", log)
	}
}

// TestServerEndsWithItsParent runs this test in a second process, which is killed.
func TestServerEndsWithItsParent(t *testing.T) {
	const role = "POSTGRESTEST_PARENT"
	if os.Getenv(role) != "" {
		server := postgrestest.ForTest(t, postgrestest.Config{})
		os.Stdout.WriteString(server.Address + " " + server.SocketFolder + "\n")
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
	line, _ := bufio.NewReader(output).ReadString('\n')
	parent.Process.Kill()
	parent.Wait()
	address, folder, found := strings.Cut(strings.TrimSpace(line), " ")
	if !found {
		t.Skipf("the other process started no server: %s", line)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err = os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				t.Error("the server is left")
			}
			return
		}
	}
	t.Errorf("the folder of the server is left: %v", err)
}
