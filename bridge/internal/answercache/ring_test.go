package answercache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

func keyOf(n int) *Key {
	key := Key(sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n))))
	return &key
}

// ring is a cache that is tested by the responses it keeps alone.
type ring struct{ *Cache }

func newRing(t *testing.T, size int) ring {
	t.Helper()
	c, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	return ring{c}
}

func (r ring) put(key *Key, response []byte) { r.Put(key, &Entry{Response: response}) }

func (r ring) get(key *Key) []byte {
	entry, ok, _ := r.Get(key, nil)
	if !ok {
		return nil
	}
	return entry.Response
}

// New returns an error, and does not crash, when the operating system does not provide the memory.
func TestTooMuchMemory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("memory is allocated on the heap there")
	}
	if _, err := New(1 << 52); !errors.Is(err, ErrMemory) {
		t.Errorf("got %v", err)
	}
}

// responseOf returns what is put for a key the nth time: bytes that no other key and no other time has, of varying
// length.
func responseOf(key *Key, n, most int) []byte {
	unit := binary.LittleEndian.AppendUint64(append([]byte{}, key[:]...), uint64(n))
	return bytes.Repeat(unit, 1+n%(most/len(unit)))
}

// However often the ring goes round, a key has the response that was put last, or none; and what was put recently is
// there.
func TestRing(t *testing.T) {
	t.Run("smallest", func(t *testing.T) { testRing(t, MinSize, 3000) })
	t.Run("size not divisible", func(t *testing.T) { testRing(t, 6<<20+shardCount+1, 20_000) })
}

func testRing(t *testing.T, size, keys int) {
	const puts, recent = 200_000, 12 // so few that they fit, even if many fall into one shard
	c := newRing(t, size)
	lastPut := make([]int, keys) // 0: never
	evicted, missing := 0, 0
	for n := 1; n <= puts; n++ {
		i := rand.IntN(keys)
		key := keyOf(i)
		got := c.get(key)
		switch {
		case lastPut[i] == 0 && len(got) > 0:
			t.Fatalf("put %d: got a response that was never put", n)
		case len(got) > 0 && !bytes.Equal(got, responseOf(key, lastPut[i], 2000)):
			t.Fatalf("put %d: got another response than was put last", n)
		case len(got) == 0 && lastPut[i] != 0:
			evicted++
			if n-lastPut[i] < recent {
				missing++
			}
		}
		lastPut[i] = n
		c.put(key, responseOf(key, n, 2000))
	}
	if evicted == 0 {
		t.Error("nothing was evicted: the test is too small")
	}
	if missing > 0 {
		t.Errorf("%d responses were missing that had been put within the last %d puts", missing, recent)
	}
	if used := c.Size(); used > size || used < size/2 {
		t.Errorf("%d of %d bytes are used", used, size)
	}
}

// A full cache has nearly everything that fits: few keys lose their slot to another.
func TestFullCache(t *testing.T) {
	const size = 4 << 20
	c := newRing(t, size)
	response := make([]byte, 400)
	const fit = size * 3 / 4 / (400 + headerSize + valueHeader)
	for n := range 3 * fit {
		c.put(keyOf(n), response)
	}
	found := 0
	for n := 2 * fit; n < 3*fit; n++ {
		if len(c.get(keyOf(n))) == len(response) {
			found++
		}
	}
	if found < fit*995/1000 {
		t.Errorf("found %d of %d", found, fit)
	}
}

// A value is gone when one byte of it was overwritten, and not before.
func TestOverwritten(t *testing.T) {
	var keys []*Key // of one shard
	for n := 0; len(keys) < 4; n++ {
		if key := keyOf(n); key[len(key)-1]%shardCount == 0 {
			keys = append(keys, key)
		}
	}
	first, second, rest, again := keys[0], keys[1], keys[2], keys[3]
	const overhead = headerSize + valueHeader
	for more := range 2 * overhead {
		c := newRing(t, MinSize)
		size := len(c.shards[0].ring)
		c.put(first, make([]byte, 100))
		c.put(second, make([]byte, 100))
		c.put(rest, make([]byte, size-2*100-3*overhead))
		c.put(again, bytes.Repeat([]byte{0xff}, 100+more))
		if got := c.get(second); (len(got) > 0) != (more == 0) {
			t.Errorf("%d bytes too many: got %d bytes", more, len(got))
		}
		if got := c.get(first); len(got) > 0 {
			t.Error("got a value that was overwritten")
		}
	}
}

func TestLargestValue(t *testing.T) {
	c := newRing(t, 8<<20)
	largest := maxValue - headerSize - valueHeader
	for size, want := range map[int]int{0: 0, 1: 1, largest: largest, largest + 1: 0, 4 * maxValue: 0} {
		key := keyOf(size)
		c.put(keyOf(-1-size), []byte("before"))
		c.put(key, make([]byte, size))
		if got := c.get(key); len(got) != want {
			t.Errorf("size %d: got %d bytes", size, len(got))
		}
	}
}

// Keys that share a slot never get each other's value.
func TestKeysAreCompared(t *testing.T) {
	c := newRing(t, MinSize)
	key := keyOf(1)
	for i := 8; i < len(key)-1; i++ {
		twin := *key
		twin[i] ^= 1
		c.put(key, []byte("secret"))
		if got := c.get(&twin); len(got) > 0 {
			t.Errorf("byte %d: got %q", i, got)
		}
		c.put(&twin, []byte("other"))
		if got := c.get(key); string(got) == "other" {
			t.Errorf("byte %d: got the value of the twin", i)
		}
	}
}

func TestRingUnderRaces(t *testing.T) {
	c := newRing(t, MinSize)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range 20_000 {
				key := keyOf(rand.IntN(2000))
				if got := c.get(key); len(got) > 0 && !bytes.Equal(got[:len(key)], key[:]) {
					t.Error("got the value of another key")
					return
				}
				c.put(key, responseOf(key, n, 2000))
			}
		})
	}
	group.Wait()
}
