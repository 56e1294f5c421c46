//go:build strict

package chaostest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"alexa-oidc-bridge/internal/postgrestest"
)

// replica is one server of a cluster: an address and a configuration, and the processes that serve it one after
// another.
type replica struct {
	timeline
	number        int
	origin, admin string
	config        string              // path
	dsn           string              // its connection to the database
	proxy         *postgrestest.Proxy // in that connection; nil on SQLite
	clients       *http.Client        // of backends and skills
	browsers      *http.Transport
	faultLock     sync.Mutex // held by a fault of this replica
	down          atomic.Bool
	kills         atomic.Int64
	process       atomic.Pointer[process] // the current one, or the last
	log           logTail
}

func (r *replica) String() string { return fmt.Sprintf("r%d", r.number) }

// process is a running "serve".
type process struct {
	cmd       *exec.Cmd
	killed    atomic.Bool
	unhealthy atomic.Bool // it logged a panic or a data race
	exited    chan struct{}
}

func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 10 * time.Second}
}

// start starts processes until one serves, as a supervisor does: without a database, serve exits.
func (r *replica) start(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		p, err := r.startOnce()
		switch {
		case err != nil:
			return err
		case p != nil:
			r.process.Store(p)
			r.down.Store(false)
			return nil
		case ctx.Err() != nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%v does not start; its log:\n%v", r, &r.log)
		}
	}
}

// startOnce returns nil if the process exited before it served.
func (r *replica) startOnce() (*process, error) {
	cmd := command(context.Background(), "serve", "--config", r.config)
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go p.follow(log, &r.log)
	client := &http.Client{Transport: newTransport(), Timeout: time.Second}
	defer client.CloseIdleConnections()
	for {
		if _, _, err := get(context.Background(), client, r, "/healthz"); err == nil {
			return p, nil
		}
		select {
		case <-p.exited:
			return nil, nil
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *process) follow(from io.Reader, log *logTail) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if line := scanner.Text(); strings.Contains(line, "DATA RACE") || strings.Contains(line, "panic") {
			p.unhealthy.Store(true)
		}
		log.add(scanner.Text())
	}
	p.cmd.Wait()
	close(p.exited)
}

// wait waits until the process has exited and returns its exit code, -1 if it was killed.
func (p *process) wait() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) exitedByItself() bool {
	select {
	case <-p.exited:
		return !p.killed.Load()
	default:
		return false
	}
}

func (r *replica) signal(signal os.Signal) { r.process.Load().cmd.Process.Signal(signal) }

// kill ends the process by SIGKILL.
func (r *replica) kill() {
	r.down.Store(true)
	r.kills.Add(1)
	r.process.Load().killed.Store(true)
	r.signal(os.Kill)
	r.process.Load().wait()
	r.clients.CloseIdleConnections()
	r.browsers.CloseIdleConnections()
}

func (r *replica) freeze() {
	r.down.Store(true)
	r.signal(syscall.SIGSTOP)
}

func (r *replica) thaw() {
	r.signal(syscall.SIGCONT)
	r.down.Store(false)
}

// logTail keeps the last lines of a log.
type logTail struct {
	mu    sync.Mutex
	lines []string
}

func (t *logTail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > 80 {
		t.lines = t.lines[40:]
	}
}

func (t *logTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
