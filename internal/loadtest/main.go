//go:build linux

// Command loadtest measures the real program under load, or compares several builds of it, and prints a Markdown table.
// See docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is what to measure.
type bench struct {
	programs, stores []string // the stores are drivers of sqlstore
	links            []int
	tokens           int // how many tokens are in use
	rounds           int
	duration         time.Duration // of one load
	folder           string        // for configurations and scripts; removed at the end
}

func main() {
	run := measureAll
	if len(os.Args) == 4 && os.Args[1] == bareCommand {
		run = serveBare
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func measureAll() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := parseFlags()
	if err != nil {
		return err
	}
	if b.folder, err = os.MkdirTemp("", "loadtest-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.folder)
	b.findPostgreSQL()
	if len(b.programs) == 0 {
		b.programs = []string{b.folder + "/alexa-oidc-bridge"}
		err = build(ctx, b.programs[0])
	}
	if err := errors.Join(err, os.WriteFile(b.folder+"/wrk.lua", script, 0o600)); err != nil {
		return err
	}
	b.printHeader()
	for _, store := range b.stores {
		for _, links := range b.links {
			if err := b.measure(ctx, store, links); err != nil {
				return fmt.Errorf("%s with %d links: %w", store, links, err)
			}
		}
	}
	return nil
}

func parseFlags() (*bench, error) {
	b := &bench{tokens: 20_000}
	list := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
	}
	programs := flag.String("program", "", "`binaries` to measure, separated by commas (default: builds one)")
	stores := flag.String("store", "sqlite,postgres", "`databases` to measure on")
	links := flag.String("links", "10000,1000000", "`numbers` of links in the database")
	flag.IntVar(&b.rounds, "rounds", 9, "how many `rounds`, 1 or more; the table shows medians")
	flag.DurationVar(&b.duration, "duration", 2*time.Second, "how long a load takes, in whole seconds")
	quick := flag.Bool("quick", false, "one short round with few links; the numbers mean nothing")
	flag.Parse()
	if *quick {
		*links, b.tokens, b.rounds, b.duration = "1000", 500, 1, time.Second
	}
	b.programs, b.stores = list(*programs), list(*stores)
	for _, text := range list(*links) {
		number, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("-links: %w", err)
		}
		b.links = append(b.links, number)
	}
	return b, nil
}

// build builds the program as it is released.
func build(ctx context.Context, program string) error {
	const source = "./cmd/alexa-oidc-bridge"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-pgo="+source+"/lookup.pgo", "-o", program, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program, in the root folder of the repository: %w\n%s", err, output)
	}
	return nil
}

// measure measures all programs on one database, and prints a line of the table for each.
func (b *bench) measure(ctx context.Context, store string, links int) error {
	tokens := min(b.tokens, links)
	lookups, err := b.newLoad("/lookup", backendID, tokens, lookupBody)
	refreshes, refreshErr := b.newLoad("/token", skillID, tokens, refreshBody)
	dsn, remove, databaseErr := newDatabase(ctx, store, links, tokens)
	defer remove()
	servers, serversErr := b.newServers(store, dsn)
	if err := errors.Join(err, refreshErr, databaseErr, serversErr); err != nil {
		return err
	}
	for _, s := range slices.Backward(servers) { // the bare server, which is the first, needs a bridge
		defer s.stop()
		if err := s.prepare(ctx, b.rounds, tokens); err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
	}
	for range b.rounds {
		if err := b.measureRound(ctx, servers, lookups, refreshes); err != nil {
			return err
		}
	}
	for _, s := range servers {
		fmt.Println(s.row(store, links, servers[0]))
	}
	return nil
}

// measureRound measures lookups and refreshes of one server after the other, and then lookups of all in turns.
func (b *bench) measureRound(ctx context.Context, servers []*server, lookups, refreshes load) error {
	for i, s := range servers {
		results, err := b.ask(ctx, lookups, s)
		s.lookups = append(s.lookups, results...)
		if err == nil && i > 0 {
			results, err = b.ask(ctx, refreshes, s)
			s.refreshes = append(s.refreshes, results...)
		}
		if err != nil {
			return err
		}
	}
	results, err := b.ask(ctx, lookups, servers...)
	for i := range results {
		servers[i].turns = append(servers[i].turns, results[i])
	}
	return err
}
