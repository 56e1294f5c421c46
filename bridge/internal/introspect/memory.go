package introspect

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"

	"alexa-oidc-bridge/bridge"
)

// memory keeps the answers of links that are in use, encoded, where the garbage collector does not walk. Only active tokens
// are in it, so that no stranger who invents tokens can push an answer out.
//
// It never removes an answer whose link has ended. Ends are counted instead: each answer carries how far the count was before
// it was read from the store, and each of many stripes of links carries the count at its last end. An answer is good as long
// as its own count is not behind its stripe's. So an end needs no list of a link's tokens, an end that comes while an answer
// is being read spoils that answer, and a stripe shared by two links costs one of them another reading, never a wrong answer.
type memory struct {
	entries *cache
	seed    maphash.Seed

	mu    sync.Mutex    // held to count an end
	count atomic.Uint64 // of ends that were heard of
	floor atomic.Uint64 // answers from before this count are not good
	ends  []atomic.Uint64
}

const (
	// leastMemory has room for a few thousand answers.
	leastMemory = 1 << 20
	// stripes is a power of two. A million links in use and a thousand ends an hour make some 16,000 readings more.
	stripes = 1 << 16
)

func newMemory(bytes int) (*memory, error) {
	entries, err := newCache(max(bytes, leastMemory))
	if err != nil {
		return nil, err
	}
	return &memory{entries: entries, seed: maphash.MakeSeed(), ends: make([]atomic.Uint64, stripes)}, nil
}

// tokenKey is the SHA-256 of a token.
type tokenKey [sha256.Size]byte

// entry is what is remembered of an active access token.
type entry struct {
	count    uint64 // of ends, before it was read
	expires  int64  // seconds since 1970; 0: never
	lastUsed int64  // seconds since 1970, as far as it was noted
	user     uint64 // the mark of the Alexa user that was noted; 0: none
	stripe   uint32
	skill    uint32 // its place among the handler's
	answer   []byte // of a lookup, as it is sent
	linkID   string // only while it comes from the store; the answer has it too
}

const entryHead = 5 * 8

func (e *entry) append(to []byte) []byte {
	order := binary.LittleEndian
	to = order.AppendUint64(to, e.count)
	to = order.AppendUint64(to, uint64(e.expires))
	to = order.AppendUint64(to, uint64(e.lastUsed))
	to = order.AppendUint64(to, e.user)
	to = order.AppendUint32(to, e.stripe)
	to = order.AppendUint32(to, e.skill)
	return append(to, e.answer...)
}

// readEntry reads what append wrote. The answer stays in the bytes given.
func readEntry(from []byte) entry {
	order := binary.LittleEndian
	return entry{
		count:    order.Uint64(from),
		expires:  int64(order.Uint64(from[8:])),
		lastUsed: int64(order.Uint64(from[16:])),
		user:     order.Uint64(from[24:]),
		stripe:   order.Uint32(from[32:]),
		skill:    order.Uint32(from[36:]),
		answer:   from[entryHead:],
	}
}

// get finds an answer that no end has spoiled. It is read into the buffer, which is returned to be used again.
func (m *memory) get(key *tokenKey, buffer []byte) (found entry, ok bool, used []byte) {
	buffer = m.entries.get(key, buffer[:0])
	if len(buffer) < entryHead {
		return entry{}, false, buffer
	}
	found = readEntry(buffer)
	return found, m.good(&found), buffer
}

func (m *memory) good(e *entry) bool {
	return m.ends[e.stripe].Load() <= e.count && m.floor.Load() <= e.count
}

// put remembers an answer. Its count must be from before it was read from the store. The entry is written into the buffer,
// which is returned to be used again; that its answer may stand there already, where it belongs, spares a copy.
func (m *memory) put(key *tokenKey, e *entry, buffer []byte) (used []byte) {
	buffer = e.append(buffer[:0])
	m.entries.put(key, buffer)
	return buffer
}

func (m *memory) stripeOf(linkID string) uint32 {
	return uint32(maphash.String(m.seed, linkID) % stripes)
}

// end spoils the answers of links.
func (m *memory) end(linkIDs ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range linkIDs {
		m.ends[m.stripeOf(id)].Store(m.count.Add(1))
	}
}

// forget spoils all answers.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.floor.Store(m.count.Add(1))
}

// bytes is how much memory the answers take.
func (m *memory) bytes() float64 { return float64(m.entries.used()) }

// userMark is enough of an Alexa user's hash to see that it is another one.
func userMark(user bridge.Hash) uint64 {
	if len(user) < 16 {
		return 0
	}
	mark, err := strconv.ParseUint(string(user[:16]), 16, 64)
	if err != nil {
		return 0
	}
	return mark
}
