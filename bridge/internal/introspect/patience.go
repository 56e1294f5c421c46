package introspect

import (
	"context"
	"sync"
	"time"
)

const (
	// storeTimeout bounds how long a lookup waits for the store: a backend has a few seconds for all it does.
	storeTimeout = 2 * time.Second
	// patienceGrain is how much longer it may wait, so that those that begin together need one timer.
	patienceGrain = 100 * time.Millisecond
)

// patience bounds how long lookups wait for the store. It does not end when a backend hangs up: many tokens are read by one
// query, which others wait for, too.
type patience struct {
	mu     sync.Mutex
	shared context.Context
	until  time.Time // when who begins gets a new one
}

// begin returns a context that ends storeTimeout from now, or up to patienceGrain later. Nobody has to cancel it.
func (p *patience) begin() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.until) {
		return p.shared
	}
	shared, cancel := context.WithTimeout(context.Background(), storeTimeout+patienceGrain)
	context.AfterFunc(shared, cancel)
	p.shared, p.until = shared, now.Add(patienceGrain)
	return shared
}
