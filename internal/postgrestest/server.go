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
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

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
	// ICULocale, such as "en-US", is the collation of text. Empty: text is sorted by bytes. It needs PostgreSQL 15.
	ICULocale string
}

// Server is a PostgreSQL server. Its methods may be called from several goroutines, except those that start or end
// it.
type Server struct {
	Address      string // 127.0.0.1 and a port; the same after a restart
	SocketFolder string // the data folder, which contains its unix socket too
	Password     string // of the databases' owner; contains characters that a URL must escape

	prefix []string // of a command line that runs one of PostgreSQL's programs
}

// ForTest starts a server and waits until it accepts connections. When the test ends, the server is stopped, and the
// end of its log is logged if the test failed. Without PostgreSQL it skips the test, or fails it if
// BRIDGE_TEST_STRICT=1 is set.
func ForTest(t testing.TB, config Config) *Server {
	t.Helper()
	address := testmachine.FreeAddresses(t, 1)[0]
	_, port, _ := strings.Cut(address, ":")
	s := &Server{Password: "p@ss/" + rand.Text() + "%:", Address: address, prefix: findPrograms(t)}
	s.prefix = append(s.prefix, "PGUSER=postgres", "PGDATABASE=postgres", "PGPORT="+port)
	s.createFolder(t, config)
	s.prefix = append(s.prefix, "PGDATA="+s.SocketFolder, "PGHOST="+s.SocketFolder)
	err := s.StartAgain()
	if err == nil {
		err = s.run("psql", "-X", "-c", "CREATE ROLE bridge LOGIN PASSWORD '"+s.Password+"'")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// findPrograms returns what makes a command line run PostgreSQL's programs, which refuse to be run by root. It
// prefers the newest of Debian's, which are not on the PATH.
func findPrograms(t testing.TB) (prefix []string) {
	t.Helper()
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	_, err := exec.LookPath("pg_ctl")
	testmachine.Need(t, err == nil || len(folders) > 0, "no PostgreSQL server found; install the package postgresql")
	if os.Getuid() == 0 {
		prefix = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	slices.Reverse(folders)
	return append(prefix, "env", "PATH="+strings.Join(append(folders, os.Getenv("PATH")), ":"))
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
folder=$(mktemp -dt postgrestest-XXXXXXXX) settings=$1
trap 'for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$folder" 2>/dev/null && exit; sleep 0.2; done; exit 1' EXIT
shift
export PGDATA="$folder/data"
initdb --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --no-locale --no-sync --no-instructions "$@" >/dev/null
cd "$PGDATA"
printf "unix_socket_directories = '%s'\n%s\n" "$PGDATA" "$settings" >postgresql.auto.conf
case $settings in *"ssl = on"*)
	openssl req -x509 -newkey rsa:2048 -noenc -days 1 -keyout server.key -out server.crt -subj /CN=postgrestest \
		-addext subjectAltName=IP:127.0.0.1 >&2
esac
echo "$PGDATA"
read _ || true
pg_ctl -m immediate stop >/dev/null 2>&1 || true # it may have ended`

// createFolder starts the keeper and waits for the data folder.
func (s *Server) createFolder(t testing.TB, config Config) {
	t.Helper()
	settings := "listen_addresses = '127.0.0.1'\nmax_connections = 200"
	if !config.Durable {
		settings += "\nfsync = off\nfull_page_writes = off"
	}
	if config.TLS {
		settings += "\nssl = on"
	}
	process := s.command("sh", "-c", keeper, "keeper", settings)
	if config.ICULocale != "" {
		process.Args = append(process.Args, "--locale-provider=icu", "--icu-locale="+config.ICULocale)
	}
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the terminal must not end it
	process.Stderr = t.Output()
	input, inputErr := process.StdinPipe()
	output, outputErr := process.StdoutPipe()
	if err := errors.Join(inputErr, outputErr, process.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the PostgreSQL log:\n%s", s.Log())
		}
		input.Close()
		if err := process.Wait(); err != nil {
			t.Error(err)
		}
	})
	folder, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal("no data folder was created")
	}
	s.SocketFolder = strings.TrimSpace(folder)
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

// Cut terminates all client sessions and waits until they have ended. The server accepts new ones.
func (s *Server) Cut() error {
	return s.run("psql", "-X", "-c", `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
}

// DatabaseFor creates an empty database and returns the DSN, a URL with a query, of its owner, who is no superuser.
func (s *Server) DatabaseFor(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	// Databases can be created in parallel from template0, since it accepts no connections.
	if err := s.run("psql", "-X", "-c", "CREATE DATABASE "+name+" OWNER bridge TEMPLATE template0"); err != nil {
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
