//go:build linux

// Command loadtest measures the real program under load, or compares several builds of it, and prints a Markdown
// table. See docs/performance.md.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
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
	if b.programs[0] == "" {
		b.programs[0] = b.folder + "/alexa-oidc-bridge"
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
	var b bench
	programs := flag.String("program", "", "`binaries` to measure, separated by commas (default: builds one)")
	stores := flag.String("store", "sqlite,postgres", "`databases` to measure on")
	links := flag.String("links", "10000,1000000", "`numbers` of links in the database")
	flag.IntVar(&b.rounds, "rounds", 9, "how many `rounds`, 1 or more; the table shows medians")
	flag.DurationVar(&b.duration, "duration", 2*time.Second, "how long a load takes, in whole seconds")
	quick := flag.Bool("quick", false, "one short round with few links; the numbers mean nothing")
	flag.Parse()
	if *quick {
		*links, b.rounds, b.duration = "500", 1, time.Second
	}
	b.programs, b.stores = strings.Split(*programs, ","), strings.Split(*stores, ",")
	for text := range strings.SplitSeq(*links, ",") {
		number, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("-links: %w", err)
		}
		b.links = append(b.links, number)
	}
	return &b, nil
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
	tokens := min(links, 20_000) // those in use
	dsn, remove, err := newDatabase(ctx, store, links, tokens)
	defer remove()
	if err != nil {
		return err
	}
	lookups, lookupErr := b.newLoad("/lookup", backendID, tokens, lookupBody)
	refreshes, refreshErr := b.newLoad("/token", skillID, tokens, refreshBody)
	servers, err := b.newServers(store, dsn)
	if err := errors.Join(lookupErr, refreshErr, err); err != nil {
		return err
	}
	for _, s := range slices.Backward(servers) { // the bare server, which is the first, needs a bridge
		defer s.stop()
		if err := s.start(ctx, b.rounds, tokens); err != nil {
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

// printHeader prints where everything runs, and the head of the table.
func (b *bench) printHeader() {
	average, _ := os.ReadFile("/proc/loadavg") // over 0.5, something else is running
	fmt.Printf("%s, %d cores, load average before the start %.4s; medians of %d rounds of %v.\n\n",
		runtime.Version(), runtime.NumCPU(), average, b.rounds, b.duration)
	fmt.Println("| store | links | program | lookups/s | CPU, µs | bare's CPU / its CPU | p99, ms | its p99 / bare's " +
		"| refreshes/s | p99, ms | start, ms |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
}

// row returns the line of a server in the table.
func (s *server) row(store string, links int, bare *server) string {
	rate := func(r result) float64 { return r.perSecond }
	p99 := func(r result) float64 { return r.p99 }
	cost := func(r result) float64 { return r.cost }
	ofBare := func(r result) float64 { return r.ofFirst }
	return fmt.Sprintf("| %s | %d | %s | %.0f | %.1f | %.3f (%.3f to %.3f) | %.2f | %.2f | %.0f | %.2f | %.0f |",
		store, links, filepath.Base(s.name), quantile(s.lookups, 0.5, rate), quantile(s.turns, 0.5, cost),
		quantile(s.turns, 0.5, ofBare), quantile(s.turns, 0, ofBare), quantile(s.turns, 1, ofBare),
		quantile(s.lookups, 0.5, p99), quantile(s.lookups, 0.5, p99)/quantile(bare.lookups, 0.5, p99),
		quantile(s.refreshes, 0.5, rate), quantile(s.refreshes, 0.5, p99), slices.Min(s.starts))
}

// quantile returns the lowest (q = 0), median (0.5) or highest (1) value of the results, or 0 if there are none.
func quantile(results []result, q float64, value func(result) float64) float64 {
	if len(results) == 0 {
		return 0
	}
	byValue := func(a, b result) int { return cmp.Compare(value(a), value(b)) }
	return value(slices.SortedFunc(slices.Values(results), byValue)[int(q*float64(len(results)-1)+0.5)])
}
