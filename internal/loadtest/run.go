package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

// bench is what all measurements share.
type bench struct {
	options options
	out     io.Writer // for what was measured
	log     io.Writer // for what is going on
	faults  io.Writer // for what children say is wrong
	folder  string    // removed at the end
	secrets secrets
	program string // the file of the bridge
	wrk     string // the file of wrk, or empty
	script  string // the file of its script

	allCores, otherCores   []int // other: than the one of the servers
	serverCore, clientCore int

	rows    []row
	sizes   []size
	remarks []string

	undo []func() error // what ends it, in the order of beginning
}

// measureAll measures what was chosen.
func measureAll(ctx context.Context, chosen options, stdout, stderr io.Writer) (err error) {
	b := &bench{options: chosen, out: stdout, log: io.Discard, faults: &lockedWriter{to: stderr},
		secrets: secrets{provider: keys.Generate(), skill: keys.Generate(), backend: keys.Generate()}}
	if chosen.verbose {
		b.log = b.faults
	}
	defer b.endFrom(0, &err)
	if err := b.begin(ctx); err != nil {
		return err
	}
	for _, store := range chosen.stores {
		for _, links := range chosen.links {
			if err := b.measureStore(ctx, store, links); err != nil {
				return fmt.Errorf("%s with %d links: %w", store, links, err)
			}
		}
	}
	return b.report()
}

func (b *bench) begin(ctx context.Context) (err error) {
	if b.folder, err = os.MkdirTemp("", "alexa-oidc-bridge-loadtest-"); err != nil {
		return err
	}
	b.later(func() error { return os.RemoveAll(b.folder) })
	if err := b.chooseCores(); err != nil {
		return err
	}
	if err := b.findWrk(); err != nil {
		return err
	}
	if err := b.findPostgreSQL(); err != nil {
		return err
	}
	return b.buildProgram(ctx)
}

func (b *bench) chooseCores() error {
	all, err := cores()
	if err != nil {
		return err
	}
	b.allCores, b.otherCores = all, all[1:]
	b.serverCore, b.clientCore = all[0], all[len(all)-1]
	if len(all) == 1 {
		b.otherCores = all
		fmt.Fprintln(b.out, "Only one core: servers and who asks them share it. CPU per request is as it would be; the rest is worse.")
	}
	return nil
}

// findPostgreSQL leaves PostgreSQL out where it is not installed, unless it was asked for.
func (b *bench) findPostgreSQL() error {
	if !slices.Contains(b.options.stores, sqlstore.PostgreSQL) {
		return nil
	}
	server, err := postgrestest.Start(postgrestest.Config{})
	if errors.Is(err, postgrestest.ErrNoPostgres) && !b.options.storesGiven {
		fmt.Fprintln(b.out, "Without PostgreSQL: it is not installed here.")
		b.options.stores = []string{sqlstore.SQLite}
		return nil
	}
	if err != nil {
		return err
	}
	return server.Close()
}

func (b *bench) later(undo func() error) { b.undo = append(b.undo, undo) }

// end ends what was begun since there were so many, the last first.
func (b *bench) end(since int) error {
	var errs []error
	for len(b.undo) > since {
		last := len(b.undo) - 1
		undo := b.undo[last]
		b.undo = b.undo[:last]
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// lockedWriter is written to by several at once.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(text)
}
