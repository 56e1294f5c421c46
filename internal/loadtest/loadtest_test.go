//go:build linux && strict

package main

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 9 9 20 0"
	if got := parseStat(stat); got != 3*time.Second {
		t.Errorf("CPU time %v, want 3s", got)
	}
	want := result{requests: 1000, perSecond: 500, p99: 1.5}
	if got, err := parseResult("Running 2s test\nmeasured\t1000\t2000000\t1500\t5\n"); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, output := range []string{"", "measured\t1000\t2000000\t1500\t6\n", "measured\t0\t2000000\t0\t0\n"} {
		if got, err := parseResult(output); err == nil {
			t.Errorf("%q: got %v, want an error", output, got)
		}
	}
}

func TestQuantile(t *testing.T) {
	results := []result{{p99: 3}, {p99: 1}, {p99: 2}, {p99: 5}, {p99: 4}}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 1: 5} {
		if got := quantile(results, q, func(r result) float64 { return r.p99 }); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
}
