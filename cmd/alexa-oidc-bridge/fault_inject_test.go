package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plan says how long a run is and what is drawn from.
type plan struct {
	seed  uint64
	limit time.Duration // lookup.max_staleness
	long  time.Duration // of a run with random faults; 0: the short run with fixed ones
}

// newPlan reads $BRIDGE_FAULT_SEED and $BRIDGE_FAULT_DURATION.
func newPlan(t *testing.T) plan {
	t.Helper()
	p := plan{seed: rand.Uint64(), limit: 6 * time.Second}
	var err error
	if text := os.Getenv("BRIDGE_FAULT_SEED"); text != "" {
		if p.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("BRIDGE_FAULT_DURATION"); text != "" {
		if p.long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		p.limit = 30 * time.Second
	}
	t.Logf("seed %d", p.seed)
	return p
}

// fault is one kind of fault. It does it, waits, and undoes it; no two of the same place come at once.
type fault struct {
	name   string
	place  *sync.Mutex
	lasts  []time.Duration // one of them, drawn, or up to it
	happen func(lasts time.Duration) error
}

// injector makes faults happen.
type injector struct {
	*ordeal
	kinds  []*fault
	storms atomic.Uint64
	group  sync.WaitGroup
}

// begin makes a fault happen beside what else happens.
func (i *injector) begin(f *fault, lasts time.Duration) {
	f.place.Lock()
	i.group.Go(func() { i.happen(f, lasts) })
}

// happen makes a fault happen, whose place is held, and gives the place free.
func (i *injector) happen(f *fault, lasts time.Duration) {
	defer f.place.Unlock()
	i.storm()
	i.fault("%s for %v", f.name, lasts)
	i.counts.add("faults: " + f.name)
	if err := f.happen(lasts); err != nil {
		i.violation(nil, "%s: %v", f.name, err)
	}
	i.fault("%s is over", f.name)
}

// storm makes many write at once, so that a fault finds transactions in every state.
func (i *injector) storm() {
	const people, times = 20, 4
	for range people {
		draw := i.source(1000 + i.storms.Add(1))
		i.work.Go(func() {
			for range times {
				if l := i.model.pickLive(draw); l != nil && i.ctx.Err() == nil {
					i.refresh(i.draw(draw), l, draw)
				}
			}
			i.endSome(i.draw(draw), draw)
		})
	}
	i.pause(time.Duration(rand.IntN(60)) * time.Millisecond)
}

// random draws faults until the time is over, of which so many may last at once. Every minute it leaves the fleet alone for a
// while, in which ends are timed.
func (i *injector) random(lasts time.Duration, atOnce int) {
	draw, places := i.source(1), make(chan struct{}, atOnce)
	quiet := time.Now().Add(time.Minute)
	for until := time.Now().Add(lasts); time.Now().Before(until) && i.ctx.Err() == nil; {
		if time.Now().After(quiet) {
			i.group.Wait()
			i.pause(recovery + 6*time.Second)
			quiet = time.Now().Add(time.Minute)
		}
		f := i.kinds[draw.IntN(len(i.kinds))]
		length := f.lasts[draw.IntN(len(f.lasts))]
		if draw.IntN(2) == 0 && length > time.Second {
			length = time.Duration(1 + draw.Int64N(int64(length)))
		}
		places <- struct{}{}
		if !f.place.TryLock() {
			<-places
			continue
		}
		i.group.Go(func() {
			defer func() { <-places }()
			i.happen(f, length)
		})
		i.pause(time.Duration(200+draw.IntN(3000)) * time.Millisecond)
	}
}

// run lets everybody work while the faults happen, and looks at everything at the end.
func (o *ordeal) run(faults func(*injector)) {
	o.Helper()
	for n := range uint64(workers) {
		o.work.Go(func() { o.toil(o.source(100 + n)) })
	}
	for n, r := range o.replicas {
		o.work.Go(func() { o.probe(r, o.source(200+uint64(n))) })
		o.work.Go(func() { o.watchReady(r) })
		o.work.Go(func() { o.watch(r) })
	}
	o.work.Go(func() { o.resolve(o.source(2)) })
	o.work.Go(func() { o.time(o.source(3)) })
	o.work.Go(o.tidy)
	i := &injector{ordeal: o}
	faults(i)
	i.group.Wait()
	i.pause(recovery + 3*time.Second)
	o.stop()
	o.work.Wait()
	o.suspect.Wait()
	if o.wrong.Load() == nil {
		o.judgeAllWarm()
		o.checkAll()
	}
	o.suspect.Wait()
	o.report()
}

// tidy keeps the model small, and finds processes that ended by themselves.
func (o *ordeal) tidy() {
	for o.pause(500 * time.Millisecond) {
		o.model.forget(time.Now().Add(-o.limit - 20*time.Second))
		for _, r := range o.replicas {
			if l := r.now.Load(); l.died() || l.sick.Load() {
				o.violation(nil, "the process of %v ended by itself, panicked or raced; see its log", r)
			}
		}
	}
}

// watch finds out when this machine is so busy that a replica which answers late proves nothing: it asks for what costs
// nothing, and takes a slow answer for a disturbance. Where there is PostgreSQL, it is asked too, on the replica's way.
func (o *ordeal) watch(r *replica) {
	const slow = 300 * time.Millisecond
	client := readyClient()
	canary := newCanary(r)
	defer canary.close()
	last := time.Now()
	for o.pause(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(o.ctx, time.Second)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/healthz", nil)
		if err == nil {
			var response *http.Response
			if response, err = client.Do(request); err == nil {
				response.Body.Close()
			}
		}
		asked := canary.ask(ctx)
		cancel()
		now := time.Now()
		if o.ctx.Err() == nil && (err != nil || !asked || now.Sub(last) > 100*time.Millisecond+slow) {
			r.noticed(last, now)
			o.counts.add(fmt.Sprintf("stalls: %v did not answer at once, or nobody could have asked", r))
		}
		last = now
	}
}

// checkAll looks every token up everywhere when all faults are over. Nothing may be lost now, and nothing unavailable for
// long.
func (o *ordeal) checkAll() {
	draw := o.source(4)
	o.ctx, o.stop = context.WithTimeout(context.Background(), 2*time.Minute)
	defer func() { o.stop() }()
	for _, l := range o.model.all() {
		for l.undecided() && o.pause(20*time.Millisecond) {
			o.revoke(o.draw(draw), l, draw)
		}
	}
	o.pause(1200 * time.Millisecond)
	for _, l := range o.model.all() {
		for _, token := range append(l.gone, l.state.access...) {
			for _, r := range o.replicas {
				o.checkOne(r, token)
			}
		}
	}
}

func (o *ordeal) checkOne(r *replica, token *accessToken) {
	for range 20 {
		if active, certain := o.lookup(r, token); certain {
			if !active {
				o.counts.add("at the end: ended")
			} else {
				o.counts.add("at the end: live")
			}
			return
		}
		if !o.pause(500 * time.Millisecond) {
			break
		}
	}
	o.accuse(token.link, "%v does not answer though all faults are over", r)
}

func (l *link) undecided() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.attempts > 0 && l.state.ended.IsZero()
}
