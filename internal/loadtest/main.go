// Command loadtest measures what a lookup, a refresh and a linking cost, with the true program in a process of its own:
//
//	go run ./examples/loadtest            all of it; takes half an hour, a quiet machine, and 10 GB of disk
//	go run ./examples/loadtest -quick     some seconds, to see that everything still works; its numbers mean nothing
//
// The server has one core (GOMAXPROCS=1), and whoever asks has another, which PostgreSQL shares. What counts is the CPU time
// that the kernel charges the server's process for one request: it hardly depends on what else the machine does, where
// requests a second do. The bridge is compared with a bare handler that reads the same body and writes the same bytes, in
// turns with it, and with what its store does by itself in a process of its own with the same core and the same settings. Where
// they differ by little, the turns are so short that most of what else the machine does is the same for both.
//
// wrk asks, and where there is none, or each link is asked for once only, a client of our own, which needs more CPU itself
// and so reaches fewer requests a second and longer tails; the CPU of the server stays comparable. Refreshes are asked for by
// the load test itself. Links are written straight into the database, in the order of their keys: such a database is denser
// than one that has grown.
//
// Not measured are TLS and networks (everything is on one machine and over loopback), databases larger than memory (no disk
// is read), and the note of last use, one row for each link in use and hour: links are noted just before.
//
//	run.go       what everything shares; setting.go: one store with a number of links, and the order of what is measured
//	lookups.go   lookups from memory and of tokens that nobody has, in turns with the bare handler (bare.go); mixed.go
//	cold.go      lookups from the store; alone.go and commits.go: what the store and the database do by themselves
//	refresh.go   refreshes, in turns with inserts; linking.go: whole linkings
//	size.go      start-up, memory and database
//	bridge.go    builds, configures and starts the program; child.go starts and stops processes, pin.go keeps them on their cores
//	links.go     links and tokens that follow from their number; seed.go writes them; database.go keeps and copies databases
//	load.go      what is asked for how long; wrk.go and client.go ask, at a pace of pace.go
//	check.go     asks every question once beforehand and reads the answer; metrics.go reads what the program counted
//	profile.go   takes a profile of the bridge, if that is wanted
//	shifts.go    compares what differs by little: whoever asks is stopped again and again for the other
//	measure.go   rounds and their medians; process_linux.go and disk.go ask the machine; report.go prints
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if code, isChild := playRole(os.Stdin, os.Stdout, os.Stderr); isChild {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	chosen, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := measureAll(ctx, chosen, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "loadtest:", err)
		return 1
	}
	return 0
}
