//go:build linux

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

//go:embed wrk.lua
var script []byte

// load is requests of one kind, with the lines of a file as their bodies in turn.
type load struct{ path, user, bodies string }

// newLoad returns the load with a request for each of the tokens in use.
func (b *bench) newLoad(path, user string, tokens int, body func(n int) string) (load, error) {
	var bodies []byte
	for n := range tokens {
		bodies = fmt.Appendln(bodies, body(n))
	}
	l := load{path, user, b.folder + "/bodies-" + user}
	return l, os.WriteFile(l.bodies, bodies, 0o600)
}

// result is what was measured under a load.
type result struct {
	requests, perSecond float64
	p99                 float64 // in ms
	cost                float64 // CPU time of the server for one request, in µs
	ofFirst             float64 // the cost of the first server divided by this cost
}

// ask puts a load on servers. Several take turns, and then only their costs are valid: wrk counts the time in which
// it is stopped.
func (b *bench) ask(ctx context.Context, l load, servers ...*server) ([]result, error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	duration := b.duration * time.Duration(len(servers))
	clients, outputs := make([]*exec.Cmd, len(servers)), make([]bytes.Buffer, len(servers))
	before := make([]time.Duration, len(servers))
	for i, s := range servers {
		clients[i] = b.wrk(ctx, l, s.address, duration)
		clients[i].Stdout = &outputs[i]
		before[i] = s.cpuTime()
		if err := clients[i].Start(); err != nil {
			return nil, err
		}
	}
	if len(servers) > 1 {
		takeTurns(ctx, clients, duration)
	}
	results := make([]result, len(servers))
	for i, s := range servers {
		err := clients[i].Wait()
		if err == nil {
			results[i], err = parseResult(outputs[i].String())
		}
		if err != nil {
			return nil, fmt.Errorf("wrk of %s of %s: %w", l.path, s.name, err)
		}
		results[i].cost = float64((s.cpuTime() - before[i]).Microseconds()) / results[i].requests
		results[i].ofFirst = results[0].cost / results[i].cost
	}
	return results, nil
}

// wrk returns the command that puts a load on a server.
func (b *bench) wrk(ctx context.Context, l load, address string, duration time.Duration) *exec.Cmd {
	authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte(l.user+":"+l.user+secret))
	return pinned(ctx, clientCore, "wrk", "--threads=1", "--connections=32",
		fmt.Sprintf("--duration=%.0fs", duration.Seconds()), "--script="+b.folder+"/wrk.lua",
		"http://"+address+l.path, "--", l.bodies, authorization)
}

// parseResult reads what the script prints. On a busy machine a bridge responds with 503 now and then; more than one
// failure in 200 requests is an error.
func parseResult(output string) (result, error) {
	var requests, duration, p99, failed float64 // times in µs
	_, line, _ := strings.Cut(output, "measured")
	if _, err := fmt.Sscan(line, &requests, &duration, &p99, &failed); err != nil {
		return result{}, fmt.Errorf("cannot read its output: %w\n%s", err, output)
	}
	if requests == 0 || failed*200 > requests {
		return result{}, fmt.Errorf("%.0f of %.0f requests failed", failed, requests)
	}
	return result{requests: requests, perSecond: requests / duration * 1e6, p99: p99 / 1000}, nil
}

// takeTurns lets one process run at a time and stops the others, until the duration is almost over; then all end.
// What else the machine does changes more slowly than these turns, and so affects all alike.
func takeTurns(ctx context.Context, processes []*exec.Cmd, duration time.Duration) {
	const turn = 50 * time.Millisecond
	signal := func(signal syscall.Signal, processes ...*exec.Cmd) {
		for _, cmd := range processes {
			cmd.Process.Signal(signal) // fails only when it has ended
		}
	}
	began := time.Now()
	signal(syscall.SIGSTOP, processes...)
	for n := 0; time.Since(began) < duration-2*turn && ctx.Err() == nil; n++ {
		signal(syscall.SIGCONT, processes[n%len(processes)])
		time.Sleep(turn)
		signal(syscall.SIGSTOP, processes[n%len(processes)])
	}
	signal(syscall.SIGCONT, processes...)
}
