package limit

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Attempts counts attempts by key, and forgets the key that was not counted for longest when there are too many. It is
// safe for concurrent use.
type Attempts struct {
	mu     sync.Mutex
	counts *simplelru.LRU[string, int]
}

// NewAttempts returns attempts that remember as many keys.
func NewAttempts(keys int) *Attempts {
	counts, err := simplelru.NewLRU[string, int](keys, nil)
	if err != nil {
		panic(err) // only for a number that is not positive
	}
	return &Attempts{counts: counts}
}

// Count returns how many attempts were added for a key.
func (a *Attempts) Count(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, _ := a.counts.Peek(key)
	return n
}

// Add adds an attempt for a key, and returns how many there are now.
func (a *Attempts) Add(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, _ := a.counts.Peek(key)
	a.counts.Add(key, n+1)
	return n + 1
}
