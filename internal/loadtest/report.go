package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is a line of the table.
type row struct {
	store  string
	links  int
	what   string
	rounds []round
	bare   []round   // next to the rounds; empty: not comparable
	alone  []*aside  // what the store does with next to nothing in front of it, likewise
	shifts []float64 // bare's cost as a part of this one's, in shifts; empty: by rounds only
}

// say prints a round.
func (b *bench) say(name string, r round) {
	fmt.Fprintf(b.log, "  %-24s %8.0f requests/s  %7.2f µs CPU a request  p50 %v  p99 %v\n", name, r.perSecond(), r.cost(), r.P50, r.P99)
}

func (s *setting) add(what string, rounds []round, alone ...*aside) {
	s.rows = append(s.rows, row{store: s.store, links: s.links, what: what, rounds: rounds, alone: alone, bare: s.bareFor(what)})
}

// bareFor leaves out the bare server itself, and what is not measured beside it.
func (s *setting) bareFor(what string) []round {
	if strings.HasPrefix(what, "lookup") {
		return s.bare
	}
	return nil
}

// report prints all that was measured.
func (b *bench) report() error {
	machine, err := b.machine()
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n%s\n", machine)
	if len(b.rows) > 0 {
		fmt.Fprint(b.out, "\n| store | links | | requests/s | CPU each | p50 | p99 | of bare, by CPU | of the store alone |\n"+
			"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	}
	for i := range b.rows {
		fmt.Fprintln(b.out, b.rows[i].text())
	}
	b.reportSizes()
	b.reportRemarks()
	return nil
}

func (r *row) text() string {
	ofBare := ""
	if len(r.bare) > 0 {
		ofBare = fmt.Sprintf("%.2f", r.ofBare())
	}
	var ofAlone []string // in the order of the rows that follow
	for _, alone := range r.alone {
		ofAlone = append(ofAlone, fmt.Sprintf("%.2f", r.ofAlone(alone)))
	}
	return fmt.Sprintf("| %s | %s | %s | %.0f | %.1f µs | %s | %s | %s | %s |", storeName(r.store), human(r.links), r.what,
		median(r.rounds, perSecondOf), median(r.rounds, costOf), milliseconds(median(r.rounds, p50Of)), milliseconds(median(r.rounds, p99Of)),
		ofBare, strings.Join(ofAlone, ", "))
}

func (r *row) ofBare() float64 {
	if len(r.shifts) > 0 {
		return middle(r.shifts)
	}
	return ratio(r.bare, r.rounds, costOf)
}

func (r *row) ofAlone(alone *aside) float64 {
	if len(alone.shifts) > 0 {
		return middle(alone.shifts)
	}
	return ratio(r.rounds, alone.rounds, perSecondOf)
}

func (b *bench) reportSizes() {
	if len(b.sizes) == 0 {
		return
	}
	fmt.Fprint(b.out, "\n| store | links | database | start | memory with none in use | with half | with all | links in use | each |\n"+
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i := range b.sizes {
		z := &b.sizes[i]
		fmt.Fprintf(b.out, "| %s | %s | %s | %.0f ms | %s | %s | %s | %s | %d bytes |\n", storeName(z.store), human(z.links), megabytes(z.database),
			float64(z.start().Microseconds())/1000, megabytes(z.memory[0]), megabytes(z.memory[1]), megabytes(z.memory[2]),
			human(z.inUse[2]), z.eachLink())
	}
}

// reportRemarks says what is not in the tables.
func (b *bench) reportRemarks() {
	b.reportShifts()
	for _, remark := range b.remarks {
		fmt.Fprintf(b.out, "\n%s.\n", remark)
	}
	fmt.Fprint(b.out, "\nCold lookups are compared with the four rows that follow them, in their order, refreshes with inserts of the same row. "+
		"Links in use were noted as used just before, so that the note of last use, which is written once an hour for each link, "+
		"is not in these numbers; mixed lookups do have it. Memory is the process's own, without the pages of the database that it maps. "+
		"A whole linking is some ten requests with cookies, a sign-in and signatures; person, Alexa and provider run beside it "+
		"and eat most of the time, so that only its CPU says something about the bridge. PostgreSQL runs on the core of who asks.\n")
}

// reportShifts says what was compared in shifts.
func (b *bench) reportShifts() {
	for i := range b.rows {
		r := &b.rows[i]
		if len(r.shifts) > 0 {
			fmt.Fprintf(b.out, "\nHot lookups, %s, %s links: %.3f of bare by CPU (rounds of shifts: %.3f to %.3f); p99: %.2f times bare's.\n",
				storeName(r.store), human(r.links), middle(r.shifts), slices.Min(r.shifts), slices.Max(r.shifts), ratio(r.rounds, r.bare, p99Of))
		}
		for _, alone := range r.alone {
			if len(alone.shifts) > 0 {
				fmt.Fprintf(b.out, "\nCold lookups, %s, %s links: %.3f of %s, by CPU (rounds of shifts: %.3f to %.3f).\n",
					storeName(r.store), human(r.links), middle(alone.shifts), alone.what, slices.Min(alone.shifts), slices.Max(alone.shifts))
			}
		}
	}
}

// machine describes what everything ran on.
func (b *bench) machine() (string, error) {
	sync, err := syncTime(b.databases())
	if err != nil {
		return "", err
	}
	asker := "wrk"
	if b.wrk == "" {
		asker = "a client of our own"
	}
	return fmt.Sprintf("%s, %s; 4 KiB written and synced to disk in %s. The server has core %d to itself (GOMAXPROCS=1), %s core %d. "+
		"Medians of %d rounds of %v, %d connections; what is compared is the median of what each round was beside the one next to it, "+
		"but for hot lookups with bare, and for cold ones on SQLite with Lookup by one caller: by their CPU, in shifts of %v.",
		describeMachine(), runtime.Version(), milliseconds(sync), b.serverCore, asker, b.clientCore,
		b.options.rounds, b.options.duration, b.options.connections, shift), nil
}

func storeName(driver string) string {
	return map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"}[driver]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
