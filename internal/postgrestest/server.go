// Package postgrestest starts PostgreSQL servers for tests and benchmarks.
//
//	server := postgrestest.ForTest(t, postgrestest.Config{})
//	dsn := server.DatabaseFor(t)
//
// The caller may stop, kill and restart its server, and may put a [Proxy] between itself and the server.
//
// A server has a temporary folder, listens on a loopback port and requires a password. When the process that started
// it exits, even by SIGKILL, the server is stopped and its folder removed.
package postgrestest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config describes a server. The zero value is the fastest.
type Config struct {
	// Durable makes commits wait for the disk (fsync), as in production. Without it a commit survives [Server.Kill],
	// but not a crash of the operating system.
	Durable bool
	// TLS gives the server a certificate for 127.0.0.1; see [Server.VerifyFull]. Plain connections are still
	// accepted.
	TLS bool
	// ICULocale, such as "en-US", is the collation of text. Empty: text is sorted by bytes. It needs PostgreSQL 15.
	ICULocale string
}

// Server is a PostgreSQL server. Its methods may be called from several goroutines, except those that start or end
// it.
type Server struct {
	Address      string // 127.0.0.1 and a port; the same after a restart
	SocketFolder string // the data folder, which contains its unix socket too
	Password     string // of the databases' owner; contains characters that a URL must escape
	CAFile       string // the certificate to verify the server by; empty without Config.TLS

	programs  programs
	folder    string
	keeper    *exec.Cmd // stops the server and removes the folder once input is closed, also by our exit
	input     io.Closer
	databases atomic.Int64
}

// ForTest starts a server and waits until it accepts connections. When the test ends, the server is stopped, and the
// end of its log is logged if the test failed. Without PostgreSQL it skips the test, or fails it if
// BRIDGE_TEST_STRICT=1 is set.
func ForTest(t testing.TB, config Config) *Server {
	t.Helper()
	s := &Server{Password: "p@ss/" + rand.Text() + "%:", programs: findPrograms(t)}
	if err := s.makeFolder(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the PostgreSQL log:\n%s", s.Log())
		}
		s.input.Close()
		if err := s.keeper.Wait(); err != nil {
			t.Error(err)
		}
	})
	err := s.initialize(config)
	if err == nil {
		err = s.StartAgain()
	}
	if err == nil {
		err = s.administer("CREATE ROLE bridge LOGIN PASSWORD '" + s.Password + "'")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StartAgain starts a stopped or killed server with its data, and waits until it accepts connections.
func (s *Server) StartAgain() error {
	if err := s.pgctl("start", "-w", "-l", s.logFile()); err != nil {
		return fmt.Errorf("%w; its log:\n%s", err, s.Log())
	}
	return nil
}

// Stop disconnects the clients, writes a checkpoint and ends the server.
func (s *Server) Stop() error { return s.pgctl("stop", "-m", "fast") }

// Kill ends the server without a checkpoint ("immediate" shutdown), as a crash does. The next start recovers.
func (s *Server) Kill() error { return s.pgctl("stop", "-m", "immediate") }

func (s *Server) pgctl(arguments ...string) error {
	_, err := s.programs.run("pg_ctl", append(arguments, "-s", "-D", s.SocketFolder)...)
	return err
}

// Cut terminates all client sessions and waits until they have ended. The server accepts new ones.
func (s *Server) Cut() error {
	return s.administer(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
}

// DatabaseFor creates an empty database and returns the DSN, a URL with a query, of its owner, who is no superuser.
func (s *Server) DatabaseFor(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	// Databases can be created in parallel from template0, since it accepts no connections.
	if err := s.administer("CREATE DATABASE " + name + " OWNER bridge TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword("bridge", s.Password), Host: s.Address, Path: name,
		RawQuery: "sslmode=disable"}
	return u.String()
}

// VerifyFull returns the DSN with sslmode=verify-full and the server's certificate. It needs Config.TLS.
func (s *Server) VerifyFull(dsn string) string {
	u := mustParse(dsn)
	u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.CAFile}}.Encode()
	return u.String()
}

// mustParse does not quote the DSN, which contains a password.
func mustParse(dsn string) *url.URL {
	u, err := url.Parse(dsn)
	if err != nil {
		panic("postgrestest: the DSN is not a URL")
	}
	return u
}

// administer executes a statement as superuser, on a new connection so that it does not depend on earlier faults.
func (s *Server) administer(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, port, _ := strings.Cut(s.Address, ":")
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host='%s' port=%s user=postgres database=postgres", s.SocketFolder, port))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func (s *Server) logFile() string { return filepath.Join(s.SocketFolder, "server.log") }

// Log returns the last 16 KiB of the server's log.
func (s *Server) Log() string {
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-16<<10):])
}
