package answercache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
)

// shard is a part of the cache with a lock of its own. Values stand one behind the other in a ring, where the oldest
// are overwritten. Slots say where: the slot of a key is one of the few from its home slot on.
//
// It is our own because it lies on the path of every lookup: libraries touch five or six places in memory for a
// value, this touches two.
type shard struct {
	mu    sync.RWMutex
	homes uint64 // how many home slots there are
	slots []byte // of slotSize: the key's mark, and the position of its value
	ring  []byte
	head  uint64 // the position of the next value. Positions only grow, so they tell what was overwritten.
}

const (
	shardCount = 64
	slotSize   = 16
	// bytesPerSlot is how much memory there is for each slot: a third of a usual value, so that few keys lose their
	// slot to another.
	bytesPerSlot = 160
	// windowSize is how many slots can be a key's.
	windowSize = 8
	// valueHeader is what stands before each value: its length and its key.
	valueHeader = 4 + len(Key{})
	// maxValue bounds a value, so that one cannot overwrite a whole ring.
	maxValue = 32 << 10
)

// newShards returns shards, and the memory that they share.
func newShards(size int) (*[shardCount]shard, []byte, error) {
	homes := size / shardCount / bytesPerSlot
	slots := (homes + windowSize - 1) * slotSize
	ring := size/shardCount - slots
	arena, err := allocate(shardCount * (slots + ring))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMemory, err)
	}
	var shards [shardCount]shard
	for i := range shards {
		part := arena[i*(slots+ring):][:slots+ring]
		shards[i].homes, shards[i].slots, shards[i].ring = uint64(homes), part[:slots], part[slots:]
	}
	return &shards, arena, nil
}

// detach takes the memory away from the shard. It is then empty, and no value fits.
func (s *shard) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.homes, s.slots, s.ring = 1, make([]byte, windowSize*slotSize), nil
	s.head = 1 // after what the empty slots point at
}

// size returns how many bytes values take.
func (s *shard) size() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int(min(s.head, uint64(len(s.ring))))
}

// get appends the value of a key to buffer. Without a value it returns buffer as it is.
func (s *shard) get(key *Key, buffer []byte) []byte {
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

func (s *shard) appendValue(key *Key, position uint64, buffer []byte) []byte {
	if position+uint64(len(s.ring)) < s.head {
		return buffer // at least its first byte was overwritten
	}
	value := s.ring[position%uint64(len(s.ring)):]
	length := binary.LittleEndian.Uint32(value)
	if !bytes.Equal(value[4:valueHeader], key[:]) {
		return buffer
	}
	return append(buffer, value[valueHeader:valueHeader+int(length)]...)
}

// put adds the encoded entry as the value of a key, unless it is too large.
func (s *shard) put(key *Key, entry *Entry) {
	length := headerSize + len(entry.Response)
	needed := valueHeader + length
	mark := markOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if needed > min(maxValue, len(s.ring)) {
		return
	}
	offset := int(s.head % uint64(len(s.ring)))
	if rest := len(s.ring) - offset; rest < needed { // a value does not wrap around
		s.head += uint64(rest)
		offset = 0
	}
	value := s.ring[offset:][:needed]
	binary.LittleEndian.PutUint32(value, uint32(length))
	copy(value[4:], key[:])
	entry.encode(value[valueHeader:])
	slot := s.slotFor(mark)
	binary.LittleEndian.PutUint64(slot, mark)
	binary.LittleEndian.PutUint64(slot[8:], s.head)
	s.head += uint64(needed)
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

// window returns the slots that can be a mark's.
func (s *shard) window(mark uint64) []byte {
	home, _ := bits.Mul64(mark, s.homes)
	return s.slots[home*slotSize:][:windowSize*slotSize]
}

// markOf is the part of a key that a slot holds. Nobody can choose it: keys are hashes of random tokens.
func markOf(key *Key) uint64 { return binary.LittleEndian.Uint64(key[:]) }
