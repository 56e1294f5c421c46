package postgrestest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

// patience is how long a server may take to start or to stop before that is reported as a fault.
const patience = time.Minute

// ErrNoPostgres says that this machine has no PostgreSQL server that could be started.
var ErrNoPostgres = errors.New("postgrestest: no PostgreSQL server to start")

// Config says what kind of server is wanted. The zero value is the quickest.
type Config struct {
	// Durable makes every commit wait for the disk, as in production. Without it a commit still outlives [Server.Kill],
	// since the operating system has it, but costs next to nothing, and the data is in memory where there is room.
	Durable bool
	// TLS gives the server a certificate for 127.0.0.1 and localhost; see [Server.VerifyFull]. Connections without TLS
	// are accepted still.
	TLS bool
	// ICULocale, such as "en-US", sorts text as that language does, which is what most servers in production do. Empty:
	// by bytes. It needs PostgreSQL 15 or newer.
	ICULocale string
	// Settings are set as in postgresql.conf and win over those of this package, such as {"max_connections": "20"}.
	Settings map[string]string
}

// Server is a PostgreSQL server with its folder. Its methods may be called from several goroutines.
type Server struct {
	Address      string // where it listens: 127.0.0.1 and a port, the same for its whole life
	SocketFolder string // where its unix socket is
	User         string // who owns the databases; not a superuser
	Password     string // the password of User; has characters that a URL must escape
	CAFile       string // the certificate authority of its certificate; empty without Config.TLS

	config        Config
	port          int
	folder        folder
	programs      programs
	adminPassword string

	mu        sync.Mutex
	process   *process // nil: not running
	killed    bool     // ended by Kill and not started since
	closed    bool
	databases int
}

// Start makes a server and waits until it can be used. The caller must Close it.
func Start(config Config) (*Server, error) {
	found, err := findPrograms()
	if err != nil {
		return nil, err
	}
	s := &Server{
		User:          "bridge",
		Password:      "p@ss/" + rand.Text() + "%:",
		config:        config,
		programs:      found,
		adminPassword: rand.Text(),
	}
	if err := s.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("postgrestest: start: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) begin() error {
	if err := s.makeFolders(); err != nil {
		return err
	}
	if err := s.initdb(); err != nil {
		return err
	}
	if s.config.TLS {
		if err := s.makeCertificates(); err != nil {
			return err
		}
	}
	if err := s.startOnFreePort(); err != nil {
		return err
	}
	return s.administer("CREATE ROLE " + s.User + " LOGIN PASSWORD '" + s.Password + "'")
}

// startOnFreePort tries again on another port because somebody may take the one that was just found free.
func (s *Server) startOnFreePort() error {
	const attempts = 5
	var fault error
	for range attempts {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.port, s.Address = port, loopback(port)
		if fault = s.StartAgain(); fault == nil || s.process != nil && s.process.runs() {
			return fault
		}
	}
	return fault
}

// StartAgain starts a server that was stopped or killed, with the data and on the port that it had, and waits until it
// can be used.
func (s *Server) StartAgain() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("postgrestest: the server is closed")
	case s.process != nil && s.process.runs():
		return errors.New("postgrestest: the server runs already")
	}
	log, err := os.OpenFile(s.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.programs.command("postgres", s.arguments()...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.folder.path, log, log
	started, err := launch(cmd)
	if err != nil {
		return err
	}
	s.process, s.killed = started, false
	return s.waitUntilReady()
}

func (s *Server) waitUntilReady() error {
	deadline := time.Now().Add(patience)
	for {
		err := s.administer("SELECT 1")
		switch {
		case err == nil:
			return nil
		case !s.process.runs():
			return fmt.Errorf("postgrestest: the server ended: %w; its log:\n%s", s.process.fault, s.Log())
		case time.Now().After(deadline):
			return fmt.Errorf("postgrestest: the server is not ready: %w; its log:\n%s", err, s.Log())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.SocketFolder,
		// In the data folder and not in /dev/shm, so that nothing is left of a server that was killed.
		"dynamic_shared_memory_type": "mmap",
		"max_connections":            "200",
	}
	if !s.config.Durable {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	if s.config.TLS {
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = s.certificateFile()
		settings["ssl_key_file"] = s.keyFile()
	}
	maps.Copy(settings, s.config.Settings)
	arguments := []string{"-D", s.dataFolder()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}

// Stop shuts the server down as an administrator does (a fast shutdown: clients are cut off, nothing is lost) and waits
// until it has ended. Stopping one that does not run changes nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end((*process).stop)
}

// Kill ends all processes of the server with SIGKILL at once, as a crash does, and waits until they are gone. The next
// start recovers.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.runs() {
		return nil
	}
	s.killed = true
	return s.end((*process).kill)
}

// Close ends the server and removes all that was its own. Closing again changes nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if err := s.end((*process).quit); err != nil {
		return err
	}
	s.closed = true
	if s.killed {
		removeSharedMemory(s.dataFolder())
	}
	return s.folder.remove()
}

func (s *Server) end(how func(*process) error) error {
	if s.process == nil {
		return nil
	}
	if err := how(s.process); err != nil {
		return fmt.Errorf("postgrestest: end the server: %w", err)
	}
	s.process = nil
	return nil
}

// Log is the end of what the server has logged so far, up to 16 KiB.
func (s *Server) Log() string {
	const most = 16 << 10
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-most):])
}

func (s *Server) dataFolder() string      { return filepath.Join(s.folder.path, "data") }
func (s *Server) logFile() string         { return filepath.Join(s.folder.path, "log") }
func (s *Server) certificateFile() string { return filepath.Join(s.folder.path, "server.crt") }
func (s *Server) keyFile() string         { return filepath.Join(s.folder.path, "server.key") }
