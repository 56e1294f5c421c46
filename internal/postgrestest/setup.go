package postgrestest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const superuser = "postgres"

// programs locates PostgreSQL's programs and says which user runs them.
type programs struct {
	folder string
	user   *user.User // nil: the current one; PostgreSQL refuses to run as root
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
	if os.Getuid() != 0 {
		return p, nil
	}
	var err error
	if p.user, err = user.Lookup("postgres"); err != nil {
		return p, fmt.Errorf("%w (as root, a user postgres is needed to run it: %w)", ErrNoPostgres, err)
	}
	return p, nil
}

func (p programs) command(name string, arguments ...string) *exec.Cmd {
	line := append([]string{filepath.Join(p.folder, name)}, arguments...)
	if p.user != nil {
		as := []string{"setpriv", "--reuid=" + p.user.Uid, "--regid=" + p.user.Gid, "--clear-groups"}
		line = append(as, line...)
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") }), "LC_ALL=C")
	return cmd
}

// chown gives a file to the user who runs the server.
func (p programs) chown(path string) error {
	if p.user == nil {
		return nil
	}
	uid, uidErr := strconv.Atoi(p.user.Uid)
	gid, gidErr := strconv.Atoi(p.user.Gid)
	return errors.Join(uidErr, gidErr, os.Chown(path, uid, gid))
}

func run(cmd *exec.Cmd) error {
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return nil
}

func (s *Server) initdb() error {
	passwordFile := filepath.Join(s.folder, "password")
	if err := s.writePrivate(passwordFile, []byte(s.Password)); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	arguments := []string{"-D", s.data(), "-U", superuser, "--pwfile=" + passwordFile, "-A", "scram-sha-256",
		"-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"}
	if s.config.ICULocale != "" {
		arguments = append(arguments, "--locale-provider=icu", "--icu-locale="+s.config.ICULocale)
	}
	return run(s.programs.command("initdb", arguments...))
}

// writePrivate writes a file that only the server's user can read.
func (s *Server) writePrivate(path string, content []byte) error {
	return errors.Join(os.WriteFile(path, content, 0o600), s.programs.chown(path))
}

// configure chooses a free port and writes the settings.
func (s *Server) configure() (err error) {
	if s.Address, err = freeAddress(); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(s.Address)
	settings := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %s\nunix_socket_directories = '%s'\nmax_connections = 200\n",
		port, s.SocketFolder)
	if !s.config.Durable {
		settings += "fsync = off\nfull_page_writes = off\n"
	}
	if s.config.TLS {
		settings += "ssl = on\n" // with server.crt and server.key in the data folder
	}
	return s.writePrivate(filepath.Join(s.data(), "postgresql.auto.conf"), []byte(settings))
}

// makeCertificate makes a self-signed certificate, which is its own authority.
func (s *Server) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	s.CAFile = filepath.Join(s.data(), "server.crt")
	return errors.Join(
		s.writePrivate(s.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		s.writePrivate(filepath.Join(s.data(), "server.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	)
}

// freeAddress returns a free loopback address below the ports of outgoing connections (from 32768 on Linux), one of which
// could otherwise take the port while its listener is stopped.
func freeAddress() (address string, err error) {
	for range 100 {
		var listener net.Listener
		address = fmt.Sprintf("127.0.0.1:%d", 20000+mathrand.IntN(12000))
		if listener, err = net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", err
}
