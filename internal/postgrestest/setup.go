package postgrestest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// programs is where the server's programs are and who runs them.
type programs struct {
	folder string
	uid    int
	gid    int
	root   bool // we are root, which PostgreSQL refuses to be
}

// findPrograms prefers Debian's newest, which is not on the PATH.
func findPrograms() (programs, error) {
	folder, err := programFolder()
	if err != nil {
		return programs{}, err
	}
	if _, err := exec.LookPath("sh"); err != nil { // it looks after the server's folder
		return programs{}, fmt.Errorf("%w: %w", ErrNoPostgres, err)
	}
	p := programs{folder: folder, uid: os.Getuid(), gid: os.Getgid()}
	if p.uid != 0 {
		return p, nil
	}
	p.root = true
	owner, err := user.Lookup("postgres")
	if err != nil {
		return programs{}, fmt.Errorf("%w: it refuses to run as root, and there is no user postgres: %w", ErrNoPostgres, err)
	}
	p.uid, err = strconv.Atoi(owner.Uid)
	if err != nil {
		return programs{}, err
	}
	p.gid, err = strconv.Atoi(owner.Gid)
	return p, err
}

func programFolder() (string, error) {
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(debianVersion(b), debianVersion(a)) })
	for _, file := range debian {
		if folder := filepath.Dir(file); complete(folder) {
			return folder, nil
		}
	}
	if output, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		if folder := strings.TrimSpace(string(output)); complete(folder) {
			return folder, nil
		}
	}
	if file, err := exec.LookPath("postgres"); err == nil && complete(filepath.Dir(file)) {
		return filepath.Dir(file), nil
	}
	return "", fmt.Errorf("%w: no postgres and initdb found; install the package postgresql", ErrNoPostgres)
}

// debianVersion is the 15 in /usr/lib/postgresql/15/bin/postgres, and 0 where there is no number.
func debianVersion(file string) float64 {
	version, err := strconv.ParseFloat(strings.Split(file, "/")[4], 64)
	if err != nil {
		return 0
	}
	return version
}

func complete(folder string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := exec.LookPath(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// command is one of the programs, run as who may run it. The caller's PG… variables would change what the server does.
func (p programs) command(name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.folder, name), arguments...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "PG") })
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if p.root {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
	}
	return cmd
}

// give makes a file or folder belong to who runs the server.
func (p programs) give(path string) error {
	if !p.root {
		return nil
	}
	return os.Chown(path, p.uid, p.gid)
}

// writeFor writes a file that only who runs the server can read (and root).
func (p programs) writeFor(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return p.give(path)
}

func (s *Server) initdb() error {
	passwordFile := filepath.Join(s.folder.path, "password")
	if err := s.programs.writeFor(passwordFile, []byte(s.adminPassword)); err != nil {
		return err
	}
	defer os.Remove(passwordFile)
	arguments := []string{
		"-D", s.dataFolder(), "-U", adminUser, "--pwfile=" + passwordFile, "-A", "scram-sha-256",
		"-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
	}
	if s.config.ICULocale != "" {
		arguments = append(arguments, "--locale-provider=icu", "--icu-locale="+s.config.ICULocale)
	}
	cmd := s.programs.command("initdb", arguments...)
	cmd.Dir = s.folder.path
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

// freePort looks below the ports that systems give to outgoing connections (Linux from 32768): one of those could take
// the port while a server that wants it back is stopped.
func freePort() (int, error) {
	const lowest, count, attempts = 20000, 12000, 100
	var fault error
	for range attempts {
		port := lowest + rand.IntN(count)
		listener, err := net.Listen("tcp", loopback(port))
		if err == nil {
			return port, listener.Close()
		}
		fault = err
	}
	return 0, fault
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
