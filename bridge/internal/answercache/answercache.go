// Package answercache keeps the encoded lookup responses of active access tokens in a fixed amount of memory that the
// garbage collector does not walk.
//
// An entry is not removed when its link is revoked. Revocations are counted instead, as revisions: each entry carries
// the revision from before it was read from the store, and each of many stripes of links carries the revision of its
// last revocation. An entry is valid if its revision is at least that of its stripe. So a revocation needs no list of
// a link's tokens, and a revocation that arrives while an entry is being read invalidates that entry. Two links of
// one stripe cost one of them another read from the store, never a wrong response.
package answercache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// MinSize is the least memory of a cache in bytes. It has room for a few thousand answers.
const MinSize = 1 << 20

// ErrMemory is returned by [New] when the operating system does not provide the memory.
var ErrMemory = errors.New("answercache: cannot allocate the memory")

// stripes is how many stripes links are divided into. With a million links in use and a thousand revocations an hour,
// some 16,000 answers are read again.
const stripes = 1 << 16

// Key is the SHA-256 of an access token.
type Key [sha256.Size]byte

// Entry is what is kept of an active access token.
type Entry struct {
	Revision uint64 // from [Cache.Revision], before the token was read from the store
	Stripe   uint32 // from [Cache.Stripe]
	Skill    uint32 // a number that stands for the skill
	Expires  int64  // in seconds since 1970; 0: never
	LastUsed int64  // in seconds since 1970, as far as it was recorded
	User     uint64 // stands for the Alexa user that was recorded; 0: none
	Recheck  int64  // in seconds since 1970, from when on a use is a reason to check the account; 0: never
	Unknown  int64  // in seconds since 1970, from when on the entry says nothing any more; 0: never
	Response []byte // of the lookup endpoint, as it is sent
}

// Cache keeps entries by the hashes of their tokens. Only active tokens are cached, so that lookups of invented
// tokens cannot evict entries. It is safe for concurrent use.
type Cache struct {
	shards *[shardCount]shard
	seed   maphash.Seed

	mu       sync.Mutex      // held to count revocations, and to free
	arena    []byte          // the memory of the shards; nil: freed
	revision atomic.Uint64   // the number of revocations so far
	valid    atomic.Uint64   // entries of an earlier revision are invalid
	revoked  []atomic.Uint64 // by stripe: the revision of its last revocation
}

// New returns a cache that takes up to size bytes, and at least [MinSize], as far as they are used. It fails with
// [ErrMemory].
func New(size int) (*Cache, error) {
	shards, arena, err := newShards(max(size, MinSize))
	if err != nil {
		return nil, err
	}
	return &Cache{shards: shards, arena: arena, seed: maphash.MakeSeed(), revoked: make([]atomic.Uint64, stripes)}, nil
}

// Revision returns the number of revocations so far.
func (c *Cache) Revision() uint64 { return c.revision.Load() }

// Stripe returns the stripe of a link.
func (c *Cache) Stripe(linkID string) uint32 {
	return uint32(maphash.String(c.seed, linkID) % stripes)
}

// Get returns a valid entry. It is read into buffer, which is returned to be used again; the entry's response aliases
// it.
func (c *Cache) Get(key *Key, buffer []byte) (entry Entry, ok bool, used []byte) {
	buffer = c.shard(key).get(key, buffer[:0])
	if len(buffer) < headerSize {
		return Entry{}, false, buffer
	}
	entry = decode(buffer)
	valid := c.revoked[entry.Stripe].Load() <= entry.Revision && c.valid.Load() <= entry.Revision
	return entry, valid, buffer
}

// Put keeps an entry. Entries that are too large for the cache are not kept.
func (c *Cache) Put(key *Key, entry *Entry) {
	c.shard(key).put(key, entry)
}

// Revoke invalidates the entries of links.
func (c *Cache) Revoke(linkIDs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range linkIDs {
		c.revoked[c.Stripe(id)].Store(c.revision.Add(1))
	}
}

// Clear invalidates all entries.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.valid.Store(c.revision.Add(1))
}

// Free returns the memory to the operating system. The cache can still be used: it is empty and keeps nothing.
func (c *Cache) Free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.shards {
		c.shards[i].detach()
	}
	if c.arena != nil {
		release(c.arena)
		c.arena = nil
	}
}

// Size returns how many bytes entries take.
func (c *Cache) Size() (sum int) {
	for i := range c.shards {
		sum += c.shards[i].size()
	}
	return sum
}

func (c *Cache) shard(key *Key) *shard { return &c.shards[key[len(key)-1]%shardCount] }

// headerSize is the length of an encoded entry without its response.
const headerSize = 7 * 8

// encode writes an entry into a slice that has room for it.
func (e *Entry) encode(to []byte) {
	order := binary.LittleEndian
	order.PutUint64(to, e.Revision)
	order.PutUint64(to[8:], uint64(e.Expires))
	order.PutUint64(to[16:], uint64(e.LastUsed))
	order.PutUint64(to[24:], e.User)
	order.PutUint32(to[32:], e.Stripe)
	order.PutUint32(to[36:], e.Skill)
	order.PutUint64(to[40:], uint64(e.Recheck))
	order.PutUint64(to[48:], uint64(e.Unknown))
	copy(to[headerSize:], e.Response)
}

// decode reads what encode wrote. The response stays where it is.
func decode(from []byte) Entry {
	order := binary.LittleEndian
	return Entry{
		Revision: order.Uint64(from),
		Expires:  int64(order.Uint64(from[8:])),
		LastUsed: int64(order.Uint64(from[16:])),
		User:     order.Uint64(from[24:]),
		Stripe:   order.Uint32(from[32:]),
		Skill:    order.Uint32(from[36:]),
		Recheck:  int64(order.Uint64(from[40:])),
		Unknown:  int64(order.Uint64(from[48:])),
		Response: from[headerSize:],
	}
}
