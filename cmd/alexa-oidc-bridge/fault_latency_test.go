package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// latency is how long ends took to be known elsewhere, while nothing was disturbed.
type latency struct {
	mu     sync.Mutex
	times  []time.Duration
	latest time.Duration // after an end, at which a request was sent that was answered active
}

func (l *latency) stillActive(after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = max(l.latest, after)
}

func (l *latency) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, d)
}

func (l *latency) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.times) == 0 {
		return "not measured"
	}
	slices.Sort(l.times)
	at := func(share float64) time.Duration {
		return l.times[int(share*float64(len(l.times)-1))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("n %d, p50 %v, p90 %v, p99 %v, max %v; the last request that was answered active, of all, was sent %v after the end",
		len(l.times), at(0.5), at(0.9), at(0.99), at(1), l.latest.Round(100*time.Microsecond))
}

// time ends a link now and then, and times how soon the other replicas, which had just answered for it, know.
func (o *ordeal) time(draw *rand.Rand) {
	for o.pause(50 * time.Millisecond) {
		from := time.Now()
		l := o.model.pickLive(draw)
		if l == nil || o.model.countLive() < enoughLinks/2 || !o.allCalm(from.Add(-time.Second)) {
			continue
		}
		token := l.token(draw)
		if token == nil || !token.gone.IsZero() || !o.warm(token) {
			continue
		}
		at := o.replicas[draw.IntN(len(o.replicas))]
		a := o.revokeBy(at, token, draw)
		if a.status != 200 {
			continue
		}
		var group sync.WaitGroup
		for _, other := range o.replicas {
			if other != at {
				group.Go(func() { o.timeAt(other, token, from, a.came) })
			}
		}
		group.Wait()
	}
}

func (o *ordeal) allCalm(from time.Time) bool {
	for _, r := range o.replicas {
		if !r.calm(from, time.Now()) {
			return false
		}
	}
	return true
}

func (o *ordeal) warm(token *accessToken) bool {
	for _, r := range o.replicas {
		if active, certain := o.lookup(r, token); !active || !certain {
			return false
		}
	}
	return true
}

func (o *ordeal) timeAt(r *replica, token *accessToken, from, ended time.Time) {
	for o.ctx.Err() == nil && time.Since(ended) < 5*time.Second {
		if active, certain := o.lookup(r, token); certain && !active {
			took := time.Since(ended)
			if o.allCalm(from) {
				o.latency.add(took)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}
