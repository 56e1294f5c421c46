//go:build linux

// Command floodtest measures what other clients notice while one client floods the real program. See
// docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// settings are what to measure.
type settings struct {
	program, dsn string
	floods       []string // their names; empty: all
	sockets      []int
	rounds       int
	lasts        time.Duration // one round of lookups
}

func main() {
	var s settings
	flag.StringVar(&s.program, "program", "", "the `binary` to measure (default: builds one)")
	flag.StringVar(&s.dsn, "dsn", "", "an empty PostgreSQL `database` to measure on (default: SQLite)")
	flag.IntVar(&s.rounds, "rounds", 5, "how many `rounds`; the table shows the worst one")
	flag.DurationVar(&s.lasts, "duration", 2*time.Second, "how long lookups are measured in a round")
	quick := flag.Bool("quick", false, "one short round with few sockets; the numbers mean nothing")
	flag.Parse()
	s.floods, s.sockets = flag.Args(), []int{64, 4000}
	if *quick {
		s.rounds, s.lasts, s.sockets = 1, 200*time.Millisecond, s.sockets[:1]
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // of the provider
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.measure(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "floodtest:", err)
		os.Exit(1)
	}
}

func (s *settings) measure(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "floodtest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if s.program == "" {
		s.program = filepath.Join(folder, "alexa-oidc-bridge")
		build := exec.CommandContext(ctx, "go", "build", "-o", s.program, "./cmd/alexa-oidc-bridge")
		if output, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the program, in the root folder of the repository: %w\n%s", err, output)
		}
	}
	b, err := startBridge(ctx, s, folder)
	if err != nil {
		return err
	}
	defer b.stop()
	fmt.Println("| flood | sockets | lookup, quiet | lookup, flooded | worst ratio | slowest link |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: | ---: |")
	for _, flood := range b.floods() {
		if !s.includes(flood.name) {
			continue
		}
		for _, sockets := range s.sockets {
			row, err := s.row(ctx, b, flood, sockets)
			if err != nil {
				return fmt.Errorf("%s with %d sockets: %w", flood.name, sockets, err)
			}
			fmt.Println(row)
		}
	}
	if s.includes(hungUp) {
		return b.measureHungUp(ctx)
	}
	return nil
}

func (s *settings) includes(flood string) bool {
	return len(s.floods) == 0 || slices.Contains(s.floods, flood)
}

// row measures lookups and a link, quiet and flooded in turn.
func (s *settings) row(ctx context.Context, b *testedBridge, flood flood, sockets int) (string, error) {
	var quiet, flooded, link, worst = time.Duration(0), time.Duration(0), time.Duration(0), 0.0
	for range s.rounds {
		before, err := b.medianLookup(ctx, s.lasts/2)
		if err != nil {
			return "", err
		}
		stop := flood.start(b.address, sockets)
		during, err := b.medianLookup(ctx, s.lasts)
		took, linkErr := b.link()
		stop()
		if err := errors.Join(err, linkErr); err != nil {
			return "", err
		}
		if ratio := float64(during) / float64(before); ratio > worst {
			quiet, flooded, worst = before, during, ratio
		}
		link = max(link, took)
	}
	return fmt.Sprintf("| %s | %d | %.2f ms | %.2f ms | %.1f | %d ms |", flood.name, sockets,
		milliseconds(quiet), milliseconds(flooded), worst, link.Milliseconds()), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
