package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
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
	return round{result: made, CPU: after - before}, b.checkRound(made)
}

func (b *bench) checkRound(made result) error {
	if made.Faults*faultsAmong > made.Requests || made.Requests == 0 {
		return fmt.Errorf("%d requests were answered, and %d not as they should", made.Requests, made.Faults)
	}
	if made.Faults > 0 {
		b.remark("%d of %d requests in a round were not answered in time", made.Faults, made.Requests)
	}
	return nil
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
	asker, err := b.launchAsker(l)
	if err != nil {
		return result{}, err
	}
	output, err := asker.output(ctx)
	if err != nil {
		return result{}, err
	}
	return b.readAsker(output)
}

// launchAsker starts wrk or the client of our own.
func (b *bench) launchAsker(l load) (*running, error) {
	if b.wrk != "" {
		return b.launch("wrk", b.wrkCommand(l), b.clientCore)
	}
	cmd, err := roleCommand("client", l)
	if err != nil {
		return nil, err
	}
	return b.launch("client", cmd, b.clientCore)
}

func (b *bench) readAsker(output []byte) (result, error) {
	if b.wrk != "" {
		return readWrk(output)
	}
	var made result
	return made, json.Unmarshal(output, &made)
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
