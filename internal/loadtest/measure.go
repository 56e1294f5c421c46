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

// ratios compare each round of one with the round of the other that was next to it.
func ratios[V float64 | time.Duration](of, to []round, value func(round) V) []float64 {
	var all []float64
	for i := range to {
		all = append(all, float64(value(of[i]))/float64(value(to[i])))
	}
	return all
}

// ratio is the median of ratios.
func ratio[V float64 | time.Duration](of, to []round, value func(round) V) float64 {
	return middle(ratios(of, to, value))
}

func middle(all []float64) float64 {
	return median(all, func(one float64) float64 { return one })
}
