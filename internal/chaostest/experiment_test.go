//go:build strict

package chaostest

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// options are the options of an experiment.
type options struct {
	seed         uint64
	maxStaleness time.Duration
	random       time.Duration // how long random faults are injected; 0: a short script is
}

func readOptions(t *testing.T) options {
	t.Helper()
	o := options{seed: rand.Uint64(), maxStaleness: 6 * time.Second}
	var seedErr, durationErr error
	if text := os.Getenv("BRIDGE_FAULT_SEED"); text != "" {
		o.seed, seedErr = strconv.ParseUint(text, 10, 64)
	}
	if text := os.Getenv("BRIDGE_FAULT_DURATION"); text != "" {
		o.random, durationErr = time.ParseDuration(text)
		o.maxStaleness = 30 * time.Second
	}
	if err := errors.Join(seedErr, durationErr); err != nil {
		t.Fatal(err)
	}
	return o
}

// experiment is a cluster under load and faults, with the model that checks it.
type experiment struct {
	*cluster
	seed       uint64
	started    time.Time
	model      model
	faultLog   logTail
	calm       atomic.Bool    // all faults are over
	goroutines sync.WaitGroup // of the workload
	suspicions sync.WaitGroup // see afterStalls
	ctx        context.Context
	cancel     context.CancelFunc
	failure    atomic.Pointer[string] // the first violation
}

// runExperiment starts the cluster, runs the workload while the faults are injected, and checks all tokens at the
// end.
func runExperiment(c *cluster, options options, faults []*fault, script []step) {
	c.t.Helper()
	e := &experiment{cluster: c, seed: options.seed, started: time.Now()}
	e.ctx, e.cancel = context.WithCancel(c.t.Context())
	defer func() { e.cancel() }()
	c.start()
	e.startWorkload()
	i := &injector{experiment: e, faults: slices.Concat(faults, killReplicas(c), providerFaults())}
	if options.random > 0 {
		i.injectRandom(options.random)
	} else {
		i.injectScript(script)
	}
	i.running.Wait()
	e.calm.Store(true)
	e.pause(recovery + 3*time.Second)
	e.cancel()
	e.goroutines.Wait()
	e.suspicions.Wait()
	if e.failure.Load() == nil {
		e.checkCachedShare()
		e.checkAll()
		e.suspicions.Wait()
	}
	e.report()
}

func (e *experiment) startWorkload() {
	for n := range workers {
		e.goroutines.Go(func() { e.work(e.rng(100+uint64(n)), newStaff(n)) })
	}
	for n := range guests {
		e.goroutines.Go(func() { e.workWithGuest(e.rng(300+uint64(n)), n) })
	}
	for n, r := range e.replicas {
		e.goroutines.Go(func() { e.poll(r, e.rng(200+uint64(n))) })
		e.goroutines.Go(func() { e.pollReady(r) })
		e.goroutines.Go(func() { e.detectStalls(r) })
	}
	e.goroutines.Go(func() { e.repeatRevocations(e.rng(2)) })
	e.goroutines.Go(func() { e.checkPropagation(e.rng(3)) })
	e.goroutines.Go(e.checkProcesses)
}

// checkProcesses detects processes that exited by themselves, and keeps the model small.
func (e *experiment) checkProcesses() {
	for e.pause(500 * time.Millisecond) {
		e.model.forget(time.Now().Add(-e.maxStaleness - 20*time.Second))
		for _, r := range e.replicas {
			if p := r.process.Load(); p.exitedByItself() || p.unhealthy.Load() {
				e.violation("the process of %v exited by itself, panicked or had a data race; see its log", r)
			}
		}
	}
}

// checkAll looks all tokens up in all replicas once all faults are over: each response must be definite now.
func (e *experiment) checkAll() {
	rng := e.rng(4)
	e.ctx, e.cancel = context.WithTimeout(context.Background(), 2*time.Minute)
	for _, l := range e.model.all() {
		for l.locked((*link).mayBeRevoked) && e.pause(20*time.Millisecond) {
			e.revoke(e.pickReplica(rng), l.token(rng), rng)
		}
	}
	e.pause(1200 * time.Millisecond) // longer than a revocation takes to propagate
	var group sync.WaitGroup
	for _, r := range e.replicas {
		group.Go(func() {
			e.waitUntilReady(r)
			for _, l := range e.model.all() {
				for _, token := range l.access {
					if !l.skill.limited {
						e.checkDefinite(r, token)
					}
				}
			}
		})
	}
	group.Wait()
	e.checkAccounts(rng)
	e.checkAudit()
	for _, what := range []string{checkedLive, checkedRevoked, endedByDirectory, accountRemoved} {
		if e.counts.of(what) == 0 {
			e.violation("nothing was %s", what)
		}
	}
}

func (e *experiment) checkDefinite(r *replica, token *accessToken) {
	for range 20 {
		if _, definite := e.lookup(r, token); definite {
			return
		}
		if !e.pause(500 * time.Millisecond) {
			break
		}
	}
	e.violation("%v does not respond to token %d of link %d though all faults are over",
		r, token.number, token.link.number)
}

// post sends a request and checks its status.
func (e *experiment) post(r *replica, path, id, secret string, form url.Values) *response {
	a := post(r, path, id, secret, form)
	e.checkStatus(path, a, 200, 400)
	return a
}

// checkStatus checks the status of a response to an endpoint. Beside no response and 503, some are lawful.
func (e *experiment) checkStatus(endpoint string, a *response, lawful ...int) {
	e.counts.add(fmt.Sprintf("requests: %s: status %d", endpoint, a.status))
	switch {
	case a.status == 0, slices.Contains(lawful, a.status):
	case a.status != 503:
		e.violation("%s of %v: status %d: %s", endpoint, a.replica, a.status, a.body)
	case a.retryAfter == "":
		e.violation("%s of %v: 503 without Retry-After", endpoint, a.replica)
	case a.replica.undisturbed(a.sent.Add(-time.Second), a.received):
		e.counts.add("requests: " + endpoint + ": 503 without a disturbance")
	}
}

// violation stops the experiment; the report shows the first one.
func (e *experiment) violation(format string, arguments ...any) {
	text := e.stamp(format, arguments...)
	if e.failure.CompareAndSwap(nil, &text) {
		e.cancel()
	}
}

// linkViolation adds the history of a link, whose lock it needs, to a violation.
func (e *experiment) linkViolation(l *link, format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	e.violation("%s\nlink %d (%s, id %q):\n%s", text, l.number, l.skill.id, l.id, strings.Join(l.history, "\n"))
}

// pause waits, and reports whether the experiment continues.
func (e *experiment) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.ctx.Done():
		return false
	}
}

func (e *experiment) report() {
	e.t.Helper()
	e.t.Logf("seed %d, %.0f s, %d links\n%v", e.seed, time.Since(e.started).Seconds(), e.model.added, &e.counts)
	failure := e.failure.Load()
	if failure == nil {
		return
	}
	e.t.Errorf("VIOLATION with seed %d (set BRIDGE_FAULT_SEED to repeat the choices)\n%s\n\nfaults:\n%v",
		e.seed, *failure, &e.faultLog)
	for _, r := range e.replicas {
		e.t.Logf("end of the log of %v:\n%v", r, &r.log)
	}
}

// counts counts what was done and checked, so that a run that checked little is noticed.
type counts struct{ all expvar.Map }

func (c *counts) add(what string) { c.all.Add(what, 1) }

func (c *counts) of(what string) int64 {
	if n, ok := c.all.Get(what).(*expvar.Int); ok {
		return n.Value()
	}
	return 0
}

func (c *counts) String() string {
	var b strings.Builder
	c.all.Do(func(count expvar.KeyValue) { fmt.Fprintf(&b, "%8v  %s\n", count.Value, count.Key) })
	return b.String()
}
