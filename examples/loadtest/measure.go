package main

import (
	"cmp"
	"slices"
	"time"
)

// median of what is asked of each.
func median[E any, V cmp.Ordered](all []E, of func(E) V) V {
	var values []V
	for _, one := range all {
		values = append(values, of(one))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func costOf(r round) float64      { return r.cost() }
func perSecondOf(r round) float64 { return r.perSecond() }
func p50Of(r round) time.Duration { return r.P50 }
func p99Of(r round) time.Duration { return r.P99 }

// ratios are what each round of one cost as a part of the round of the other that was next to it.
func ratios(of, to []round) []float64 {
	var all []float64
	for i := range of {
		all = append(all, of[i].cost()/to[i].cost())
	}
	return all
}
