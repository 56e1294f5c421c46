package introspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync"
)

// ErrMemory says that the system does not give the memory that [Config] allows.
var ErrMemory = errors.New("the system does not give so much memory")

// cache keeps values by the hashes of tokens in a fixed amount of memory, which the garbage collector does not walk. When it is
// full, the oldest make room. It is our own because it stands in the way of every lookup: the libraries that there are go
// through five or six places in memory that no processor has at hand, this one through two.
type cache struct{ shards [cacheShards]shard }

// shard is a part of a cache that has its own lock. Values stand in a ring, one behind the other. Slots say where: the slot of a
// key is one of the few from its home on.
//
// The ring is in pieces. In memory the first pieces of all shards stand side by side, then the second ones, so that what is
// used grows from one end to the other, and huge pages, of which a processor knows the places of more memory at once, take
// little more than is used.
type shard struct {
	mu     sync.RWMutex
	homes  uint64
	slots  []byte // of 16 bytes: the key's mark, and the value's position
	pieces []byte // those of all shards
	number uint64 // of the shard
	piece  uint64 // how long a piece is
	ring   uint64 // how long all pieces of the shard are
	head   uint64 // the position of the next value. Positions only grow, so they tell what was overwritten.
}

const (
	cacheShards = 64
	slotSize    = 16
	// bytesASlot is for how many bytes of memory there is a slot. Three times less than an answer usually has, so that few keys
	// have to look far from home.
	bytesASlot = 160
	// reach is how many slots can be a key's.
	reach = 8
	// mostPiece is how long a piece of a ring is at most, and so the longest value: those of all shards are a huge page.
	mostPiece = 32 << 10
	// valueHead is what stands before each value: its length and its key.
	valueHead = 4 + len(tokenKey{})
)

// newCache returns a cache that takes so many bytes, as far as it is used. It fails when the system does not give them.
func newCache(size int) (*cache, error) {
	c := &cache{}
	homes := size / cacheShards / bytesASlot
	slots := (homes + reach - 1) * slotSize
	rest := size/cacheShards - slots
	pieces := (rest + mostPiece - 1) / mostPiece
	piece := rest / pieces
	arena, err := allocate(cacheShards * (slots + pieces*piece))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMemory, err)
	}
	for i := range c.shards {
		c.shards[i] = shard{
			homes:  uint64(homes),
			slots:  arena[i*slots:][:slots:slots],
			pieces: arena[cacheShards*slots:],
			number: uint64(i),
			piece:  uint64(piece),
			ring:   uint64(pieces * piece),
		}
	}
	return c, nil
}

func (c *cache) shard(key *tokenKey) *shard { return &c.shards[key[len(key)-1]%cacheShards] }

// get appends a value to the buffer. Without one it returns the buffer as it is.
func (c *cache) get(key *tokenKey, buffer []byte) []byte { return c.shard(key).get(key, buffer) }

// put remembers a value, unless it is longer than a piece.
func (c *cache) put(key *tokenKey, value []byte) { c.shard(key).put(key, value) }

// used is how many bytes values take.
func (c *cache) used() (sum int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		sum += int(min(s.head, s.ring))
		s.mu.RUnlock()
	}
	return sum
}

func (s *shard) get(key *tokenKey, buffer []byte) []byte {
	mark := markOf(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for slots := s.window(mark); len(slots) > 0; slots = slots[slotSize:] {
		if binary.LittleEndian.Uint64(slots) == mark {
			return s.appendValue(key, binary.LittleEndian.Uint64(slots[8:]), buffer)
		}
	}
	return buffer
}

func (s *shard) appendValue(key *tokenKey, at uint64, buffer []byte) []byte {
	if at+s.ring < s.head {
		return buffer // at least its first byte was overwritten
	}
	value := s.from(at)
	length := binary.LittleEndian.Uint32(value)
	if !bytes.Equal(value[4:valueHead], key[:]) {
		return buffer
	}
	return append(buffer, value[valueHead:valueHead+int(length)]...)
}

// from is what stands from a position on, in its piece and behind that.
func (s *shard) from(at uint64) []byte {
	at %= s.ring
	number := at/s.piece*cacheShards + s.number
	return s.pieces[number*s.piece+at%s.piece:]
}

func (s *shard) put(key *tokenKey, value []byte) {
	needed := uint64(valueHead + len(value))
	if needed > s.piece {
		return
	}
	mark := markOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if rest := s.piece - s.head%s.piece; rest < needed {
		s.head += rest // a value stands in one piece
	}
	place := s.from(s.head)
	binary.LittleEndian.PutUint32(place, uint32(len(value)))
	copy(place[4:], key[:])
	copy(place[valueHead:], value)
	slot := s.slotFor(mark)
	binary.LittleEndian.PutUint64(slot, mark)
	binary.LittleEndian.PutUint64(slot[8:], s.head)
	s.head += needed
}

// slotFor returns the slot that a mark has, or the one with the oldest value.
func (s *shard) slotFor(mark uint64) []byte {
	slots := s.window(mark)
	oldest := slots
	for ; len(slots) > 0; slots = slots[slotSize:] {
		if binary.LittleEndian.Uint64(slots) == mark {
			return slots
		}
		if binary.LittleEndian.Uint64(slots[8:]) < binary.LittleEndian.Uint64(oldest[8:]) {
			oldest = slots
		}
	}
	return oldest
}

// window are the slots that can be a mark's.
func (s *shard) window(mark uint64) []byte {
	home, _ := bits.Mul64(mark, s.homes)
	return s.slots[home*slotSize:][:reach*slotSize]
}

// markOf is a part of a key by which it is found. Nobody chooses it: it is of a hash of what we drew.
func markOf(key *tokenKey) uint64 { return binary.LittleEndian.Uint64(key[:]) }
