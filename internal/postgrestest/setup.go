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
	"syscall"
	"testing"
)

// programs are PostgreSQL's programs.
type programs struct {
	folder string
	as     []string // the command that runs others as user postgres, if we are root, which PostgreSQL refuses to be
}

// findPrograms prefers the newest of Debian's, which are not on the PATH.
func findPrograms(t testing.TB) programs {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		found = append([]string{path}, found...)
	}
	const missing = "no PostgreSQL server found; install the package postgresql"
	switch {
	case len(found) == 0 && os.Getenv("BRIDGE_TEST_STRICT") == "1":
		t.Fatal(missing)
	case len(found) == 0:
		t.Skip(missing)
	}
	p := programs{folder: filepath.Dir(found[len(found)-1])}
	if os.Getuid() == 0 {
		p.as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	return p
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

// makeFolder makes a folder of the user who runs the server, and starts the keeper.
func (s *Server) makeFolder() error {
	output, err := s.programs.run("mktemp", "-d", filepath.Join(os.TempDir(), "postgrestest-XXXXXXXX"))
	if err != nil {
		return err
	}
	s.folder = strings.TrimSpace(output)
	s.SocketFolder = filepath.Join(s.folder, "data")
	stop := s.programs.command("pg_ctl", "-D", s.SocketFolder, "-m", "immediate", "stop")
	// Processes of the server may still write when pg_ctl has returned.
	const remove = `for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$0" && exit; sleep 0.2; done 2>/dev/null; exit 1`
	script := []string{"-c", `read _; "$@" >/dev/null 2>&1; ` + remove, s.folder}
	s.keeper = exec.Command("sh", append(script, stop.Args...)...)
	s.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the terminal must not end it
	if s.input, err = s.keeper.StdinPipe(); err != nil {
		return err
	}
	return s.keeper.Start()
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

// freeAddress returns a free loopback address below the ports of outgoing connections (from 32768 on Linux), one of
// which could otherwise take the port while its listener is stopped.
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
