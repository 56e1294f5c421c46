//go:build strict

package chaostest

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// fault is a kind of fault.
type fault struct {
	name   string
	lock   *sync.Mutex     // faults with the same lock do not coincide
	lasts  []time.Duration // random faults last for one of these, or less
	inject func(e *experiment, lasts time.Duration) error
}

// step of a script injects a fault some time after the previous step.
type step struct {
	after time.Duration
	name  string
	lasts time.Duration
}

type injector struct {
	*experiment
	faults  []*fault
	bursts  atomic.Uint64
	running sync.WaitGroup
}

func (i *injector) injectScript(script []step) {
	for _, s := range script {
		if !i.pause(s.after) {
			return
		}
		found := false
		for _, f := range i.faults {
			if f.name == s.name {
				found = true
				f.lock.Lock()
				i.running.Go(func() { i.inject(f, s.lasts) })
			}
		}
		if !found {
			i.violation("the script has an unknown fault %q", s.name)
		}
	}
}

// injectRandom injects random faults, at most two at a time. Every minute it pauses, so that propagation is checked
// too.
func (i *injector) injectRandom(duration time.Duration) {
	rng, slots := i.rng(1), make(chan struct{}, 2)
	pauseAt := time.Now().Add(time.Minute)
	for end := time.Now().Add(duration); time.Now().Before(end) && i.ctx.Err() == nil; {
		if time.Now().After(pauseAt) {
			i.running.Wait()
			i.pause(recovery + 6*time.Second)
			pauseAt = time.Now().Add(time.Minute)
		}
		f := i.faults[rng.IntN(len(i.faults))]
		lasts := f.lasts[rng.IntN(len(f.lasts))]
		if rng.IntN(2) == 0 && lasts > time.Second {
			lasts = time.Duration(1 + rng.Int64N(int64(lasts)))
		}
		slots <- struct{}{}
		if !f.lock.TryLock() {
			<-slots
			continue
		}
		i.running.Go(func() {
			defer func() { <-slots }()
			i.inject(f, lasts)
		})
		i.pause(time.Duration(200+rng.IntN(3000)) * time.Millisecond)
	}
}

// inject injects a fault, whose lock is held, and releases the lock.
func (i *injector) inject(f *fault, lasts time.Duration) {
	defer f.lock.Unlock()
	i.burst()
	i.faultLog.add(i.stamp("%s for %v", f.name, lasts))
	i.counts.add("faults: " + f.name)
	if err := f.inject(i.experiment, lasts); err != nil {
		i.violation("%s: %v", f.name, err)
	}
	i.faultLog.add(i.stamp("%s is over", f.name))
}

// burst starts many writes at once, so that a fault hits transactions in every state.
func (i *injector) burst() {
	const writers, writes = 20, 4
	for range writers {
		rng := i.rng(1000 + i.bursts.Add(1))
		i.goroutines.Go(func() {
			for range writes {
				if l := i.model.pickLive(rng); l != nil && i.ctx.Err() == nil {
					i.refresh(i.pickReplica(rng), l, rng)
				}
			}
			i.revokeSome(i.pickReplica(rng), rng)
		})
	}
	i.pause(time.Duration(rand.IntN(60)) * time.Millisecond)
}

// killReplicas returns a fault for each replica: its process is killed, and started again later.
func killReplicas(c *cluster) (faults []*fault) {
	for _, r := range c.replicas {
		lasts := []time.Duration{0, time.Second, 5 * time.Second}
		inject := func(e *experiment, lasts time.Duration) error {
			defer r.disturb()()
			r.kill()
			e.pause(lasts)
			return r.start(e.ctx)
		}
		faults = append(faults, &fault{r.String() + " killed", &r.faultLock, lasts, inject})
	}
	return faults
}

// forAll starts a disturbance or a partition of all replicas.
func (c *cluster) forAll(start func(*timeline) (over func())) (over func()) {
	var overs []func()
	for _, r := range c.replicas {
		overs = append(overs, start(&r.timeline))
	}
	return func() {
		for _, over := range overs {
			over()
		}
	}
}
