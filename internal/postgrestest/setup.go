package postgrestest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programs are PostgreSQL's programs.
type programs struct {
	folder string
	as     []string // the command that runs others as user postgres, if we are root, which PostgreSQL refuses to be
}

// findPrograms prefers the newest of Debian's, which are not on the PATH.
func findPrograms() (programs, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		found = append([]string{path}, found...)
	}
	if len(found) == 0 {
		return programs{}, ErrNoPostgres
	}
	p := programs{folder: filepath.Dir(found[len(found)-1])}
	if os.Getuid() == 0 {
		p.as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	return p, nil
}

func (p programs) command(name string, arguments ...string) *exec.Cmd {
	if path := filepath.Join(p.folder, name); name == "pg_ctl" || name == "initdb" {
		name = path
	}
	line := append(append(p.as[:len(p.as):len(p.as)], name), arguments...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = "/" // one that user postgres can enter
	return cmd
}

func (p programs) run(name string, arguments ...string) (output string, err error) {
	text, err := p.command(name, arguments...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", name, err, text)
	}
	return string(text), err
}

// initialize creates the data folder with its settings.
func (s *Server) initialize(config Config) (err error) {
	arguments := []string{"-D", s.SocketFolder, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256",
		"-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"}
	if config.ICULocale != "" {
		arguments = append(arguments, "--locale-provider=icu", "--icu-locale="+config.ICULocale)
	}
	if _, err := s.programs.run("initdb", arguments...); err != nil {
		return err
	}
	if s.Address, err = freeAddress(); err != nil {
		return err
	}
	_, port, _ := strings.Cut(s.Address, ":")
	settings := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %s\n", port)
	settings += fmt.Sprintf("unix_socket_directories = '%s'\nmax_connections = 200\n", s.SocketFolder)
	if !config.Durable {
		settings += "fsync = off\nfull_page_writes = off\n"
	}
	if config.TLS {
		settings += "ssl = on\n"
		s.CAFile = filepath.Join(s.SocketFolder, "server.crt")
		_, err = s.programs.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1",
			"-keyout", filepath.Join(s.SocketFolder, "server.key"), "-out", s.CAFile, "-subj", "/CN=postgrestest",
			"-addext", "subjectAltName=IP:127.0.0.1")
	}
	// The file exists, so its owner stays.
	return errors.Join(err, os.WriteFile(filepath.Join(s.SocketFolder, "postgresql.auto.conf"), []byte(settings), 0o600))
}

// freeAddress returns a free loopback address below the ports of outgoing connections (from 32768 on Linux), one of which
// could otherwise take the port while its listener is stopped.
func freeAddress() (address string, err error) {
	for range 100 {
		var listener net.Listener
		address = fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if listener, err = net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", err
}

// ForTest starts a server that is closed when the test ends, and logs the end of the server's log if the test fails.
// Without PostgreSQL it skips the test, or fails it if BRIDGE_TEST_STRICT=1 is set.
func ForTest(t testing.TB, config Config) *Server {
	t.Helper()
	server, err := Start(config)
	switch {
	case errors.Is(err, ErrNoPostgres) && os.Getenv("BRIDGE_TEST_STRICT") != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the PostgreSQL log:\n%s", server.Log())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// DatabaseFor is [Server.Database] for a test.
func (s *Server) DatabaseFor(t testing.TB) string {
	t.Helper()
	dsn, err := s.Database()
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// ProxyForTest returns an open proxy to the server that is closed when the test ends.
func (s *Server) ProxyForTest(t testing.TB) *Proxy {
	t.Helper()
	proxy, err := NewProxy(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	return proxy
}
