package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// shift is how long one of two asks while the other is stopped. What else the machine does takes longer to change, and so hits
// both; two rounds of a second beside one another may differ by a third for nothing but that. Whoever needs more of the caches
// still suffers more from a neighbour that does, too. wrk takes the time in which it is stopped for the server's, so shifts say
// what a request costs, and not how long it takes.
const shift = 50 * time.Millisecond

// asking is a process that asks, and what a request cost, to be asked for once when it has ended.
type asking struct {
	*running
	cost func(context.Context) (microseconds float64, err error)
}

// beginning begins to ask for some time.
type beginning func(context.Context, time.Duration) (asking, error)

// asking begins to ask a server.
func (s *setting) asking(t *turn) beginning {
	return func(_ context.Context, d time.Duration) (asking, error) {
		l := t.load
		l.Address, l.Duration = t.at.address, d
		before, err := cpuTime(t.at.pid)
		if err != nil {
			return asking{}, err
		}
		asker, err := s.launchAsker(l)
		return asking{asker, func(ctx context.Context) (float64, error) { return s.costOfAsker(ctx, asker, t.at, before) }}, err
	}
}

func (b *bench) costOfAsker(ctx context.Context, asker *running, at *target, before time.Duration) (float64, error) {
	output, err := asker.output(ctx)
	if err != nil {
		return 0, err
	}
	made, err := b.readAsker(output)
	if err != nil {
		return 0, err
	}
	after, err := cpuTime(at.pid)
	return round{result: made, CPU: after - before}.cost(), errors.Join(err, b.checkRound(made))
}

// askingAlone begins to ask a store alone.
func (s *setting) askingAlone(a *aside) beginning {
	return func(ctx context.Context, d time.Duration) (asking, error) {
		task := a.task
		task.Pace.Duration = d
		alone, err := s.launchAlone(ctx, task)
		return asking{alone, func(ctx context.Context) (float64, error) {
			made, err := readAlone(ctx, alone)
			return made.cost(), err
		}}, err
	}
}

// compareInShifts lets two ask in shifts, and returns the cost of the first as a part of that of the second, for each round.
func (s *setting) compareInShifts(ctx context.Context, one, other beginning) ([]float64, error) {
	var parts []float64
	for range s.options.rounds {
		costs, err := inShifts(ctx, 4*s.options.duration, one, other)
		if err != nil {
			return nil, fmt.Errorf("in shifts: %w", err)
		}
		parts = append(parts, costs[0]/costs[1])
		fmt.Fprintf(s.log, "  in shifts: %.2f µs CPU a request, and %.2f: %.3f\n", costs[0], costs[1], costs[0]/costs[1])
	}
	return parts, nil
}

// inShifts lets some ask in shifts for a time, all together, and returns what a request cost each of them.
func inShifts(ctx context.Context, d time.Duration, askers ...beginning) (costs []float64, err error) {
	var all []asking
	defer func() {
		for _, a := range all {
			err = errors.Join(err, a.goOn(), a.giveUp())
		}
	}()
	for _, begin := range askers {
		a, err := begin(ctx, d)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
		if err := a.signal(syscall.SIGSTOP); err != nil {
			return nil, err
		}
	}
	if err := takeShifts(ctx, all); err != nil {
		return nil, err
	}
	for _, a := range all {
		cost, err := a.cost(ctx)
		if err != nil {
			return nil, err
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

// takeShifts lets each run in turn until the time of one is over, and then all of them.
func takeShifts(ctx context.Context, all []asking) error {
	for n := 0; ; n++ {
		now := all[n%len(all)]
		if err := now.goOn(); err != nil {
			return err
		}
		select {
		case <-now.ended:
			return goOnAll(all)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(shift):
		}
		if err := now.signal(syscall.SIGSTOP); err != nil {
			return err
		}
	}
}

func goOnAll(all []asking) error {
	var errs []error
	for _, a := range all {
		errs = append(errs, a.goOn())
	}
	return errors.Join(errs...)
}

func (a asking) goOn() error { return a.signal(syscall.SIGCONT) }

// signal is for one that may have ended.
func (a asking) signal(signal syscall.Signal) error {
	if err := syscall.Kill(a.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
