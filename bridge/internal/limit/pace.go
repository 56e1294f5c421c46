package limit

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
)

// Pace delays what happens too often. A client that waits for each response then takes less of the processor, on
// however many connections it sends requests. The zero value delays nothing. It is safe for concurrent use.
type Pace struct {
	limiter *rate.Limiter
	longest time.Duration
}

// NewPace returns a Pace of so many events per second, which may also come at once. Further ones wait for their turn,
// but never longer than the given time.
func NewPace(perSecond int, longest time.Duration) *Pace {
	return &Pace{rate.NewLimiter(rate.Limit(perSecond), perSecond), longest}
}

// Wait waits for the turn of an event, or until the context ends.
func (p *Pace) Wait(ctx context.Context) {
	if p == nil || p.limiter == nil {
		return
	}
	now := time.Now()
	turn := p.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	if delay > p.longest {
		turn.CancelAt(now) // so that the queue does not outlast the flood
		// At random, so that those who wait do not all come back at once.
		delay = p.longest/2 + rand.N(p.longest/2+1)
	}
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
