package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
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

// replica is one place where a bridge serves, again and again.
type replica struct {
	timeline
	number        int
	origin, admin string
	config        string               // path
	proxy         *postgrestest.Proxy  // its way to PostgreSQL; nil on SQLite
	canary        string               // the DSN on that way; empty on SQLite
	lookups       *http.Client         // as a backend has
	phones        http.RoundTripper    // as people have
	ill           sync.Mutex           // held by a fault that is about this replica
	frozen        atomic.Bool          // or dead: asking it costs a timeout
	now           atomic.Pointer[life] // the process that serves, or the last one
	known         recent
	log           tail
}

func (r *replica) String() string { return fmt.Sprintf("r%d", r.number) }

// life is one process of a replica.
type life struct {
	cmd    *exec.Cmd
	killed atomic.Bool
	sick   atomic.Bool // it logged what no process may log
	ended  chan struct{}
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > 80 {
		t.lines = t.lines[40:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// newReplica does not start anything.
func newReplica(number int, public, admin string) *replica {
	return &replica{
		number: number, origin: "http://" + public, admin: admin,
		lookups: &http.Client{Timeout: 4 * time.Second, Transport: newTransport()},
		phones:  newTransport(),
	}
}

func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 10 * time.Second}
}

// quietAddresses are free ones that no outgoing connection takes while the process that listens there is dead: those are
// given ports from 32768.
func quietAddresses(n int) ([]string, error) {
	const lowest, count = 10000, 10000
	var addresses []string
	for range 100 * n {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(count)))
		if err != nil {
			continue
		}
		defer listener.Close() // when all are found, so that none is found twice
		if addresses = append(addresses, listener.Addr().String()); len(addresses) == n {
			return addresses, nil
		}
	}
	return nil, errors.New("no free ports")
}

// start starts a process again and again until one serves, as a supervisor does: while there is no database, it ends.
func (r *replica) start(ctx context.Context) error {
	for giveUp := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		started, err := r.startOnce()
		switch {
		case err != nil:
			return err
		case started != nil:
			r.now.Store(started)
			r.frozen.Store(false)
			return nil
		case ctx.Err() != nil:
			return nil
		case time.Now().After(giveUp):
			return fmt.Errorf("%v does not come up; its log:\n%v", r, &r.log)
		}
	}
}

// startOnce returns nil when the process ended before it served.
func (r *replica) startOnce() (*life, error) {
	cmd := ourselves("serve", "--config", r.config)
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l := &life{cmd: cmd, ended: make(chan struct{})}
	serving := make(chan struct{})
	go l.follow(bufio.NewScanner(log), &r.log, sync.OnceFunc(func() { close(serving) }))
	select {
	case <-serving:
		return l, nil
	case <-l.ended:
		return nil, nil
	}
}

func ourselves(arguments ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], arguments...)
	cmd.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	return cmd
}

func (l *life) follow(log *bufio.Scanner, kept *tail, serving func()) {
	log.Buffer(nil, 1<<20)
	for log.Scan() {
		var line struct{ Msg string }
		json.Unmarshal(log.Bytes(), &line)
		if line.Msg == "serving" {
			serving()
		}
		if strings.Contains(log.Text(), "DATA RACE") || strings.Contains(log.Text(), "panic") {
			l.sick.Store(true)
		}
		kept.add(log.Text())
	}
	l.cmd.Wait()
	close(l.ended)
}

// kill ends the process without warning.
func (r *replica) kill() {
	l := r.now.Load()
	r.frozen.Store(true)
	l.killed.Store(true)
	l.cmd.Process.Kill()
	<-l.ended
	r.lookups.CloseIdleConnections()
	r.phones.(*http.Transport).CloseIdleConnections()
}

func (r *replica) freeze() {
	r.frozen.Store(true)
	r.now.Load().cmd.Process.Signal(syscall.SIGSTOP)
}

func (r *replica) thaw() {
	r.now.Load().cmd.Process.Signal(syscall.SIGCONT)
	r.frozen.Store(false)
}

// died says that the process ended though nobody killed it.
func (l *life) died() bool {
	select {
	case <-l.ended:
		return !l.killed.Load()
	default:
		return false
	}
}
