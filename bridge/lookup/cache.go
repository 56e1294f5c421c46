package lookup

import (
	"container/list"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

const (
	defaultCacheSize = 10_000
	// longestCall ends a call that nobody waits for any more, also with an HTTP client that has a long timeout.
	longestCall = 10 * time.Second
)

// key identifies a query without keeping its token in memory.
type key [sha256.Size]byte

func (q query) key() key { return sha256.Sum256([]byte(q.token + "\x00" + q.alexaUserID)) }

// cache remembers persons, those that were looked up last. The zero value is empty.
type cache struct {
	mu      sync.Mutex
	entries map[key]*list.Element
	recent  list.List // of *entry, the one used last in front
}

type entry struct {
	key    key
	person *Person
	until  time.Time
}

// get returns the person of a query, or nil.
func (c *cache) get(q query, now time.Time) *Person {
	k := q.key()
	c.mu.Lock()
	defer c.mu.Unlock()
	element, found := c.entries[k]
	if !found {
		return nil
	}
	e := element.Value.(*entry)
	if !now.Before(e.until) {
		c.remove(element)
		return nil
	}
	c.recent.MoveToFront(element)
	return e.person
}

// add remembers a person for some time from now, but not longer than the token lives.
func (c *cache) add(q query, person *Person, now time.Time, lifetime time.Duration, size int) {
	until := now.Add(lifetime)
	if !person.ExpiresAt.IsZero() && person.ExpiresAt.Before(until) {
		until = person.ExpiresAt
	}
	if size <= 0 {
		size = defaultCacheSize
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[key]*list.Element{}
	}
	k := q.key()
	if old, found := c.entries[k]; found {
		c.remove(old)
	}
	c.entries[k] = c.recent.PushFront(&entry{k, person, until})
	for c.recent.Len() > size {
		c.remove(c.recent.Back())
	}
}

func (c *cache) remove(element *list.Element) {
	delete(c.entries, element.Value.(*entry).key)
	c.recent.Remove(element)
}

// calls lets equal queries at the same time share one call. The zero value has none.
type calls struct {
	mu      sync.Mutex
	running map[key]*call
}

type call struct {
	done   chan struct{}
	person *Person
	err    error
}

// do returns what f returns for a query, or the error of the context if that ends first. f goes on then: others may
// wait for it, too.
func (c *calls) do(ctx context.Context, q query, f func(context.Context) (*Person, error)) (*Person, error) {
	k := q.key()
	c.mu.Lock()
	running, found := c.running[k]
	if !found {
		running = &call{done: make(chan struct{})}
		if c.running == nil {
			c.running = map[key]*call{}
		}
		c.running[k] = running
		go c.run(context.WithoutCancel(ctx), k, running, f)
	}
	c.mu.Unlock()
	select {
	case <-running.done:
		return running.person, running.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

func (c *calls) run(ctx context.Context, k key, running *call, f func(context.Context) (*Person, error)) {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	running.person, running.err = f(ctx)
	c.mu.Lock()
	delete(c.running, k)
	c.mu.Unlock()
	close(running.done)
}
