// Package postgrestest starts PostgreSQL servers for tests and benchmarks.
//
//	dsn := postgrestest.Shared(t).DatabaseFor(t)
//
// Starting a server takes seconds, so the tests of a package share one, with a database for each. A test that stops,
// kills or restarts its server, or needs a [Config], starts its own by [ForTest]. With both, it may put a [Proxy]
// between itself and the server.
//
// A server has a temporary folder, listens on a loopback port and requires a password. When the process that started
// it exits, also by a panic or SIGKILL, the server is stopped and its folder removed.
package postgrestest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/internal/testmachine"
)

// Config describes a server. The zero value is the fastest.
type Config struct {
	// Durable makes commits wait for the disk (fsync), as in production. Without it a commit survives [Server.Kill],
	// but not a crash of the operating system.
	Durable bool
	// TLS gives the server a certificate for 127.0.0.1; see [Server.VerifyFull]. Plain connections are still
	// accepted.
	TLS bool
}

// Server is a PostgreSQL server. Its methods may be called from several goroutines, except those that start or end
// it.
type Server struct {
	Address      string // 127.0.0.1 and a port; the same after a restart
	SocketFolder string // the data folder, which contains its unix socket too
	Password     string // of the databases' owner; contains characters that a URL must escape

	prefix []string // of a command line that runs one of PostgreSQL's programs
	keeper *exec.Cmd
	input  io.Closer    // of the keeper, which ends the server once it is closed
	faults bytes.Buffer // what the keeper reports
}

var errNotInstalled = errors.New("no PostgreSQL server found; install the package postgresql")

// shared starts the server of this process when it is called first.
var shared = sync.OnceValues(func() (*Server, error) { return start(Config{}) })

// Shared returns the server that all tests of this process share, which must not stop, kill or restart it. It runs
// until the process exits. When the test ends, the end of the server's log is logged if the test failed. Without
// PostgreSQL it skips the test, or fails it if BRIDGE_TEST_STRICT=1 is set.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	useServer(t, s, err)
	return s
}

// ForTest is [Shared] for a server that no other test has, and that is stopped when the test ends.
func ForTest(t testing.TB, config Config) *Server {
	t.Helper()
	s, err := start(config)
	if err == nil {
		t.Cleanup(func() {
			if err := s.end(); err != nil {
				t.Error(err)
			}
		})
	}
	useServer(t, s, err)
	return s
}

func useServer(t testing.TB, s *Server, err error) {
	t.Helper()
	testmachine.Need(t, !errors.Is(err, errNotInstalled), errNotInstalled.Error())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the PostgreSQL log:\n%s", s.Log())
		}
	})
}

// start starts a server and waits until it accepts connections.
func start(config Config) (*Server, error) {
	prefix, programsErr := findPrograms()
	addresses, addressErr := testmachine.FindAddresses(1)
	if err := errors.Join(programsErr, addressErr); err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addresses[0], ":")
	s := &Server{Password: "p@ss/" + rand.Text() + "%:", Address: addresses[0], prefix: append(prefix, "PGPORT="+port)}
	err := s.createFolder(config)
	if err == nil {
		s.prefix = append(s.prefix, "PGDATA="+s.SocketFolder)
		err = s.StartAgain()
	}
	if err == nil {
		err = s.execute("CREATE ROLE bridge LOGIN PASSWORD '" + s.Password + "'")
	}
	if err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// findPrograms returns what makes a command line run PostgreSQL's programs, which refuse to be run by root. It
// prefers the newest of Debian's, which are not on the PATH.
func findPrograms() (prefix []string, err error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if _, err := exec.LookPath("pg_ctl"); err != nil && len(folders) == 0 {
		return nil, errNotInstalled
	}
	if os.Getuid() == 0 {
		prefix = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	slices.Reverse(folders)
	return append(prefix, "env", "PATH="+strings.Join(append(folders, os.Getenv("PATH")), ":")), nil
}

func (s *Server) command(line ...string) *exec.Cmd {
	line = append(slices.Clone(s.prefix), line...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = "/" // one that user postgres can enter
	return cmd
}

func (s *Server) run(line ...string) error {
	if output, err := s.command(line...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line[0], err, output)
	}
	return nil
}

// keeper is the script of a process that outlives ours. It creates the data folder and prints its path, and stops the
// server and removes the folder once its input is closed, also by our exit. Processes of the server may still write
// when pg_ctl has returned.
const keeper = `set -e
folder=$(mktemp -dt postgrestest-XXXXXXXX)
trap 'for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$folder" 2>/dev/null && exit; sleep 0.2; done; exit 1' EXIT
export PGDATA="$folder/data"
initdb --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --no-locale --no-sync --no-instructions >/dev/null
cd "$PGDATA"
printf "unix_socket_directories = '%s'\n%s\n" "$PGDATA" "$1" >postgresql.auto.conf
case $1 in *"ssl = on"*)
	openssl req -x509 -newkey rsa:2048 -noenc -days 1 -keyout server.key -out server.crt -subj /CN=postgrestest \
		-addext subjectAltName=IP:127.0.0.1 >&2
esac
echo "$PGDATA"
read _ || true
pg_ctl -m immediate stop >/dev/null 2>&1 || true # it may have ended`

// createFolder starts the keeper and waits for the data folder.
func (s *Server) createFolder(config Config) error {
	settings := "listen_addresses = '127.0.0.1'\nmax_connections = 1000\nlog_line_prefix = '%m [%p] %d '"
	if !config.Durable {
		settings += "\nfsync = off\nfull_page_writes = off\nautovacuum = off"
	}
	if config.TLS {
		settings += "\nssl = on"
	}
	s.keeper = s.command("sh", "-c", keeper, "keeper", settings)
	s.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the terminal must not end it
	s.keeper.Stderr = &s.faults
	input, inputErr := s.keeper.StdinPipe()
	output, outputErr := s.keeper.StdoutPipe()
	s.input = input
	if err := errors.Join(inputErr, outputErr, s.keeper.Start()); err != nil {
		return err
	}
	folder, err := bufio.NewReader(output).ReadString('\n')
	s.SocketFolder = strings.TrimSpace(folder)
	return err
}

// end stops the server and removes its folder.
func (s *Server) end() error {
	s.input.Close()
	if err := s.keeper.Wait(); err != nil {
		return fmt.Errorf("the data folder of PostgreSQL: %w\n%s", err, &s.faults)
	}
	return nil
}

// execute executes a statement as the superuser.
func (s *Server) execute(statement string, args ...any) error {
	ctx := context.Background()
	_, port, _ := strings.Cut(s.Address, ":")
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host='%s' port=%s user=postgres dbname=postgres", s.SocketFolder, port))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement, args...)
	return err
}

// StartAgain starts a stopped or killed server with its data, and waits until it accepts connections.
func (s *Server) StartAgain() error {
	if err := s.run("pg_ctl", "start", "-s", "-w", "-l", s.SocketFolder+"/server.log"); err != nil {
		return fmt.Errorf("%w; its log:\n%s", err, s.Log())
	}
	return nil
}

// Stop disconnects the clients, writes a checkpoint and ends the server.
func (s *Server) Stop() error { return s.run("pg_ctl", "stop", "-s", "-m", "fast") }

// Kill ends the server without a checkpoint ("immediate" shutdown), as a crash does. The next start recovers.
func (s *Server) Kill() error { return s.run("pg_ctl", "stop", "-s", "-m", "immediate") }

// Cut terminates all sessions of a database and waits until they have ended. The server accepts new ones.
func (s *Server) Cut(dsn string) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	return s.execute(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1`, config.Database)
}

// DatabaseFor creates an empty database and returns the DSN, a URL with a query, of its owner, who is no superuser.
// Text is sorted by bytes.
func (s *Server) DatabaseFor(t testing.TB) string {
	t.Helper()
	return s.createDatabase(t, "template0", "")
}

// LocalizedFor is DatabaseFor with text sorted as in a language, such as "en-US". It needs PostgreSQL 15.
func (s *Server) LocalizedFor(t testing.TB, locale string) string {
	t.Helper()
	return s.createDatabase(t, "template0", "LOCALE_PROVIDER icu ICU_LOCALE '"+locale+"'")
}

// CopyFor creates a copy of a database to which nobody is connected, and returns the DSN.
func (s *Server) CopyFor(t testing.TB, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return s.createDatabase(t, config.Database, "")
}

// createDatabase creates a copy of a template, to which nobody may be connected. This can be done in parallel.
func (s *Server) createDatabase(t testing.TB, template, options string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := s.execute("CREATE DATABASE " + name + " OWNER bridge TEMPLATE " + template + " " + options); err != nil {
		t.Fatal(err)
	}
	owner := url.UserPassword("bridge", s.Password)
	return fmt.Sprintf("postgres://%v@%s/%s?sslmode=disable", owner, s.Address, name)
}

// VerifyFull returns the DSN with sslmode=verify-full and the server's certificate. It needs Config.TLS.
func (s *Server) VerifyFull(dsn string) string {
	query := url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.CAFile()}}
	return strings.Replace(dsn, "sslmode=disable", query.Encode(), 1)
}

// CAFile is the path of the certificate to verify the server by. It needs Config.TLS.
func (s *Server) CAFile() string { return s.SocketFolder + "/server.crt" }

// Log returns the last 16 KiB of the server's log.
func (s *Server) Log() string {
	log, err := os.ReadFile(s.SocketFolder + "/server.log")
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-16<<10):])
}
