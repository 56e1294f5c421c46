package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// load is what is asked, and for how long. It is also the task of the role client.
type load struct {
	Address     string
	Path        string
	User        string
	Secret      string
	Bodies      string // the file of the bodies to be sent in turn, one a line
	Connections int
	Duration    time.Duration
	Once        bool // stop when each body was sent once
}

// result is what came back.
type result struct {
	Requests int
	Duration time.Duration
	P50, P99 time.Duration
	Faults   int // requests that were not answered, or not with status 200
}

func (r result) perSecond() float64 { return float64(r.Requests) / r.Duration.Seconds() }

// round is a result, and what it cost the server.
type round struct {
	result
	CPU time.Duration
}

// cost is the server's CPU time for one request, in microseconds.
func (r round) cost() float64 { return float64(r.CPU.Nanoseconds()) / 1000 / float64(r.Requests) }

// ask puts a load on a server.
func (b *bench) ask(ctx context.Context, at *target, l load) (round, error) {
	l.Address = at.address
	made, err := b.withCost(at, func() (result, error) { return b.drive(ctx, l) })
	if err != nil {
		return round{}, fmt.Errorf("asking %s: %w", at.name, err)
	}
	return made, nil
}

// withCost takes the server's CPU time from the beginning of a load to its end.
func (b *bench) withCost(at *target, load func() (result, error)) (round, error) {
	before, err := cpuTime(at.pid)
	if err != nil {
		return round{}, err
	}
	made, err := load()
	if err != nil {
		return round{}, err
	}
	after, err := cpuTime(at.pid)
	if err != nil {
		return round{}, err
	}
	if made.Faults*faultsAmong > made.Requests || made.Requests == 0 {
		return round{}, fmt.Errorf("%d requests were answered, and %d not as they should", made.Requests, made.Faults)
	}
	if made.Faults > 0 {
		b.remark("%d of %d requests in a round were not answered in time", made.Faults, made.Requests)
	}
	return round{result: made, CPU: after - before}, nil
}

// faultsAmong is among how many requests one may go unanswered: a bridge on a machine that does too much else says that it
// cannot tell now. That answers are right is checked elsewhere.
const faultsAmong = 200

// remark keeps a sentence for the report.
func (b *bench) remark(format string, values ...any) {
	b.remarks = append(b.remarks, fmt.Sprintf(format, values...))
}

// drive lets wrk or the client of our own ask.
func (b *bench) drive(ctx context.Context, l load) (result, error) {
	if b.wrk != "" {
		return b.driveWrk(ctx, l)
	}
	cmd, err := roleCommand("client", l)
	if err != nil {
		return result{}, err
	}
	output, err := b.runToEnd(ctx, "client", cmd, b.clientCore)
	if err != nil {
		return result{}, err
	}
	var made result
	return made, json.Unmarshal(output, &made)
}

// runToEnd runs a command on a core until it ends by itself, and returns what it printed.
func (b *bench) runToEnd(ctx context.Context, name string, cmd *exec.Cmd, core int) ([]byte, error) {
	file, err := os.CreateTemp(b.folder, "output-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, b.faults
	child, err := start(name, cmd, core)
	if err != nil {
		return nil, err
	}
	select {
	case <-child.ended:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), child.stop())
	}
	if child.fault != nil {
		return nil, child.endedEarly()
	}
	return os.ReadFile(file.Name())
}

// writeBodies writes a file of lookups, one for each token.
func (b *bench) writeBodies(name string, count int, token func(i int) string) (path string, err error) {
	path = filepath.Join(b.folder, name)
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for i := range count {
		fmt.Fprintf(w, "token=%s\n", token(i))
	}
	return path, w.Flush()
}
