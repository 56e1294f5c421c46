//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

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
	ofBare := ratios(bare.turns, s.turns, cost)
	return fmt.Sprintf("| %s | %d | %s | %.0f | %.1f | %.3f (%.3f to %.3f) | %.2f | %.2f | %.0f | %.2f | %.0f |",
		store, links, filepath.Base(s.name), median(each(s.lookups, rate)), median(each(s.turns, cost)),
		median(ofBare), slices.Min(ofBare), slices.Max(ofBare),
		median(each(s.lookups, p99)), median(ratios(s.lookups, bare.lookups, p99)),
		median(each(s.refreshes, rate)), median(each(s.refreshes, p99)), median(s.starts))
}

// median returns the middle one of the values, the upper one of two, and zero if there is none.
func median[V cmp.Ordered](values []V) V {
	sorted := append(slices.Sorted(slices.Values(values)), *new(V))
	return sorted[len(values)/2]
}

// ratios divides a value of each round by that of the other in the same round.
func ratios(of, by []result, value func(result) float64) []float64 {
	ratios := each(of, value)
	for i := range ratios {
		ratios[i] /= value(by[i])
	}
	return ratios
}

func each[E, V any](all []E, value func(E) V) []V {
	values := make([]V, len(all))
	for i := range all {
		values[i] = value(all[i])
	}
	return values
}
