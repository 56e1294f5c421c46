//go:build strict

package postgrestest_test

import (
	"bufio"
	"context"
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

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// query executes statements on a connection each and returns what the last one returns as text.
func query(t *testing.T, dsn string, statements ...string) (value string) {
	t.Helper()
	for _, statement := range statements {
		conn := connect(t, dsn)
		err := conn.QueryRow(t.Context(), statement).Scan(&value)
		conn.Close(t.Context())
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
	}
	return value
}

func TestServer(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{Durable: true, TLS: true})
	first, second := server.LocalizedFor(t, "en-US"), server.DatabaseFor(t)
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
	if got := query(t, second, "SELECT ('a' < 'B')::text"); got != "false" {
		t.Errorf("'a' < 'B' by bytes: %q", got)
	}
	_, err := pgx.Connect(t.Context(), strings.Replace(first, "%3A@", "@", 1))
	if err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("wrong password: %v, want 28P01", err)
	}
	cut := func() error { return server.Cut(first) }
	for name, end := range map[string]func() error{"Cut": cut, "Stop": server.Stop, "Kill": server.Kill} {
		open, other := connect(t, first), connect(t, second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := open.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("%s: a session survived", name)
		}
		if _, err := other.Exec(t.Context(), "SELECT 1"); (err == nil) != (name == "Cut") {
			t.Errorf("%s: a session with the other database: %v", name, err)
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

// TestSharedServer verifies that there is one server, and that it ends with the process that started it: a second one,
// which runs this test and then is killed, or panics.
func TestSharedServer(t *testing.T) {
	const role = "POSTGRESTEST_PARENT"
	if end := os.Getenv(role); end != "" {
		server := postgrestest.Shared(t)
		if postgrestest.Shared(t) != server {
			t.Fatal("a second server was started")
		}
		os.Stdout.WriteString("started " + server.Address + " " + server.SocketFolder + "\n")
		if end == "panic" {
			panic("of a test")
		}
		select {}
	}
	postgrestest.Shared(t) // or skip the test
	for _, end := range []string{"kill", "panic"} {
		parent := exec.Command(os.Args[0], "-test.run=^TestSharedServer$")
		parent.Env = append(os.Environ(), role+"="+end)
		output, err := parent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(output).ReadString('\n')
		if end == "kill" {
			parent.Process.Kill()
		}
		parent.Wait()
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "started" {
			t.Fatalf("%s: the other process did not start one server: %s", end, line)
		}
		wantEnded(t, fields[1], fields[2])
	}
}

// wantEnded waits until the folder of a server is removed, after which it must not run.
func wantEnded(t *testing.T, address, folder string) {
	t.Helper()
	var err error
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
