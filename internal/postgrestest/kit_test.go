package postgrestest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"alexa-oidc-bridge/internal/postgrestest"
)

func parse(t *testing.T, dsn string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// watch has a session open and gives out what the server said last when it ended.
func watch(t *testing.T, dsn string) <-chan string {
	t.Helper()
	last := ""
	config := parse(t, dsn)
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { last = notice.Message }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		_, err := conn.WaitForNotification(t.Context())
		ended <- fmt.Sprintf("%s (%v)", last, err)
	}()
	return ended
}

func run(t *testing.T, dsn, statement string) {
	t.Helper()
	if _, err := connect(t, dsn).Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, dsn, query string) T {
	t.Helper()
	var answer T
	if err := connect(t, dsn).QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// begin leaves a transaction open in which the statement has been run.
func begin(t *testing.T, dsn, statement string) *pgx.Conn {
	t.Helper()
	conn := connect(t, dsn)
	for _, step := range []string{"BEGIN", statement} {
		if _, err := conn.Exec(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// keepBusy makes a process of the server compute, so that it does not notice by itself that its parent is gone.
func keepBusy(t *testing.T, dsn string) {
	t.Helper()
	conn := connect(t, dsn)
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 1000000000) WHERE sqrt(generate_series) < 0")
		ended <- err
	}()
	t.Cleanup(func() { <-ended })
	for ask[int](t, dsn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sqrt%' AND pid <> pg_backend_pid()") == 0 {
	}
}

func startAgain(t *testing.T, server *postgrestest.Server) {
	t.Helper()
	if err := server.StartAgain(); err != nil {
		t.Fatal(err)
	}
}

func kill(t *testing.T, server *postgrestest.Server) {
	t.Helper()
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
}

// processesOf counts the processes that work in the server's data folder.
func processesOf(t *testing.T, server *postgrestest.Server) int {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, folder := range folders {
		target, err := os.Readlink(folder)
		if err == nil && strings.HasPrefix(target, filepath.Dir(server.SocketFolder)) {
			count++
		}
	}
	return count
}

func firstLine(t *testing.T, from io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
