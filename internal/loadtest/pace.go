package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pace says how many do something at once, and until when.
type pace struct {
	Callers  int
	Duration time.Duration // 0: without end
	Count    int           // stop after so many; 0: without end
}

// keep does something again and again, each time with the next number, and times each.
func (p pace) keep(ctx context.Context, do func(caller, i int) error) (result, error) {
	var next atomic.Int64
	durations := make([][]time.Duration, p.Callers)
	errs := make([]error, p.Callers)
	began := time.Now()
	var group sync.WaitGroup
	for caller := range p.Callers {
		group.Go(func() {
			for p.Duration == 0 || time.Since(began) < p.Duration {
				i := int(next.Add(1)) - 1
				if errs[caller] = ctx.Err(); errs[caller] != nil || p.Count > 0 && i >= p.Count {
					return
				}
				at := time.Now()
				if errs[caller] = do(caller, i); errs[caller] != nil {
					return
				}
				durations[caller] = append(durations[caller], time.Since(at))
			}
		})
	}
	group.Wait()
	return resultOf(slices.Concat(durations...), time.Since(began)), errors.Join(errs...)
}

func resultOf(durations []time.Duration, took time.Duration) result {
	if len(durations) == 0 {
		return result{Duration: took}
	}
	slices.Sort(durations)
	return result{Requests: len(durations), Duration: took,
		P50: durations[len(durations)/2], P99: durations[len(durations)*99/100]}
}
