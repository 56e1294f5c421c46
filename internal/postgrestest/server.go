package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPostgres reports that PostgreSQL is not installed.
var ErrNoPostgres = errors.New("postgrestest: no PostgreSQL server found; install the package postgresql")

// Config describes a server. The zero value is the fastest.
type Config struct {
	// Durable makes commits wait for the disk (fsync), as in production. Without it a commit survives [Server.Kill], but
	// not a crash of the operating system.
	Durable bool
	// TLS gives the server a certificate for 127.0.0.1; see [Server.VerifyFull]. Plain connections are still accepted.
	TLS bool
	// ICULocale, such as "en-US", is the collation of text. Empty: text is sorted by bytes. It needs PostgreSQL 15.
	ICULocale string
}

// Server is a PostgreSQL server. Its methods may be called from several goroutines, except those that start or end it.
type Server struct {
	Address      string // 127.0.0.1 and a port; stable across restarts
	SocketFolder string // the folder of its unix socket
	Password     string // of the databases' owner; contains characters that a URL must escape
	CAFile       string // the certificate to verify the server by; empty without Config.TLS

	config      Config
	programs    programs
	folder      string
	keeper      *exec.Cmd // stops the server and removes the folder when keeperInput is closed, at the latest by our exit
	keeperInput io.Closer
	databases   atomic.Int64
}

// owner is the role that owns the databases. It is not a superuser.
const owner = "bridge"

// Start starts a server and waits until it accepts connections. The caller must Close it. The error is [ErrNoPostgres] if
// PostgreSQL is not installed.
func Start(config Config) (*Server, error) {
	found, err := findPrograms()
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, programs: found, Password: "p@ss/" + rand.Text() + "%:"}
	if err := s.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("postgrestest: start: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) start() error {
	if err := s.makeFolder(); err != nil {
		return err
	}
	if err := s.initdb(); err != nil {
		return err
	}
	if s.config.TLS {
		if err := s.makeCertificate(); err != nil {
			return err
		}
	}
	var err error
	for range 3 { // another process may take the free port first
		if err = s.configure(); err != nil {
			return err
		}
		if err = s.StartAgain(); err == nil {
			return s.administer("CREATE ROLE " + owner + " LOGIN PASSWORD '" + s.Password + "'")
		}
	}
	return err
}

// makeFolder makes the folder and starts the keeper. The server's user must be able to traverse the folder.
func (s *Server) makeFolder() (err error) {
	if s.folder, err = os.MkdirTemp("", "postgrestest-"); err != nil {
		return err
	}
	s.SocketFolder = s.data()
	stop := s.programs.command("pg_ctl", "-D", s.data(), "-m", "immediate", "stop")
	script := []string{"-c", `read _; "$@" >/dev/null 2>&1; rm -rf "$0"`, s.folder}
	s.keeper = exec.Command("sh", append(script, stop.Args...)...)
	s.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the terminal must not end it
	if s.keeperInput, err = s.keeper.StdinPipe(); err != nil {
		return err
	}
	if err := s.keeper.Start(); err != nil {
		return err
	}
	return errors.Join(os.Chmod(s.folder, 0o711), os.Mkdir(s.data(), 0o700), s.programs.chown(s.data()))
}

// StartAgain starts a stopped or killed server with the same data on the same port, and waits until it accepts
// connections.
func (s *Server) StartAgain() error {
	if err := s.pgctl("-w", "-l", s.logFile(), "start"); err != nil {
		return fmt.Errorf("%w; its log:\n%s", err, s.Log())
	}
	return nil
}

// Stop shuts the server down in order: it disconnects the clients and writes a checkpoint.
func (s *Server) Stop() error { return s.pgctl("-m", "fast", "stop") }

// Kill ends the server without a checkpoint ("immediate" shutdown), as after a crash. The next start recovers.
func (s *Server) Kill() error { return s.pgctl("-m", "immediate", "stop") }

func (s *Server) pgctl(arguments ...string) error {
	return run(s.programs.command("pg_ctl", append([]string{"-s", "-D", s.data()}, arguments...)...))
}

// Close stops the server and removes its folder.
func (s *Server) Close() error {
	if s.keeper == nil || s.keeper.Process == nil {
		return os.RemoveAll(s.folder)
	}
	s.keeperInput.Close()
	return s.keeper.Wait()
}

// Cut terminates all client sessions and waits until they have ended. The server accepts new ones.
func (s *Server) Cut() error {
	return s.administer(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
}

// Database creates an empty database and returns its DSN, which is a URL with a query.
func (s *Server) Database() (string, error) {
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	// Databases can be created in parallel from template0, since nobody can connect to it.
	err := s.administer("CREATE DATABASE " + name + " OWNER " + owner + " TEMPLATE template0")
	return s.dsn(owner, name), err
}

func (s *Server) dsn(user, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, s.Password), Host: s.Address, Path: "/" + database,
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
	conn, err := pgx.Connect(ctx, s.dsn(superuser, superuser))
	if err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	return nil
}

// Log returns the last 16 KiB of the server's log.
func (s *Server) Log() string {
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-16<<10):])
}

func (s *Server) data() string    { return filepath.Join(s.folder, "data") }
func (s *Server) logFile() string { return filepath.Join(s.data(), "server.log") }
