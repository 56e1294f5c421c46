package introspect

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

func numbered(n int) *tokenKey {
	key := tokenKey(sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n))))
	return &key
}

func testCache(t *testing.T, size int) *cache {
	t.Helper()
	c, err := newCache(size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What the system does not give is an error, and no crash.
func TestCacheThatIsTooLarge(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there it is taken from the heap")
	}
	if _, err := newCache(1 << 52); !errors.Is(err, ErrMemory) {
		t.Errorf("got %v", err)
	}
}

// valueOf is what is kept for a key the nth time: bytes that no other key and no other time has, of a length that differs.
func valueOf(key *tokenKey, n, most int) []byte {
	value := binary.LittleEndian.AppendUint64(append([]byte{}, key[:]...), uint64(n))
	return bytes.Repeat(value, 1+n%(most/len(value)))
}

// Whatever is put into a cache, and however often it goes round, it gives back what was put last for a key, or nothing; and
// it has what was put lately.
func TestCacheIsNeverWrong(t *testing.T) {
	t.Run("each shard one piece", func(t *testing.T) { testNeverWrong(t, leastMemory, 3000) })
	t.Run("each shard three pieces, and a byte left", func(t *testing.T) { testNeverWrong(t, 6<<20+cacheShards, 20_000) })
}

func testNeverWrong(t *testing.T, size, keys int) {
	const turns, lately = 200_000, 40
	c := testCache(t, size)
	last := make([]int, keys) // 0: never put
	putAt := make([]int, keys)
	forgotten, missing := 0, 0
	for turn := 1; turn <= turns; turn++ {
		n := rand.IntN(keys)
		key := numbered(n)
		got := c.get(key, nil)
		switch {
		case last[n] == 0 && len(got) > 0:
			t.Fatalf("turn %d: a value that was never put", turn)
		case len(got) > 0 && !bytes.Equal(got, valueOf(key, last[n], 2000)):
			t.Fatalf("turn %d: another value than was put last", turn)
		case len(got) == 0 && last[n] != 0:
			forgotten++
			if turn-putAt[n] < lately {
				missing++
			}
		}
		last[n], putAt[n] = turn, turn
		c.put(key, valueOf(key, turn, 2000))
	}
	if forgotten == 0 {
		t.Error("nothing was ever overwritten: this test shows nothing")
	}
	if missing > 0 {
		t.Errorf("%d times a value was missing that had been put within the last %d", missing, lately)
	}
	if used := c.used(); used > size || used < size/2 {
		t.Errorf("%d bytes are used of %d", used, size)
	}
}

// A full cache has nearly all that there is room for: what is in use is seldom pushed out because its slot is.
func TestCacheHasWhatFits(t *testing.T) {
	const size = 4 << 20
	c := testCache(t, size)
	value := make([]byte, 400)
	const fit = size * 8 / 10 / (400 + valueHead)
	for n := range 3 * fit {
		c.put(numbered(n), value)
	}
	there := 0
	for n := 2 * fit; n < 3*fit; n++ {
		if len(c.get(numbered(n), nil)) == len(value) {
			there++
		}
	}
	if there < fit*995/1000 {
		t.Errorf("%d of %d are there", there, fit)
	}
}

// A value of which a single byte was overwritten is gone.
func TestCacheKnowsWhatIsOverwritten(t *testing.T) {
	var keys []*tokenKey // of one shard
	for n := 0; len(keys) < 4; n++ {
		if key := numbered(n); key[len(key)-1]%cacheShards == 0 {
			keys = append(keys, key)
		}
	}
	first, second, rest, again := keys[0], keys[1], keys[2], keys[3]
	for more := range 2 * valueHead {
		c := testCache(t, leastMemory)
		ring := int(c.shards[0].ring)
		c.put(first, make([]byte, 100))
		c.put(second, make([]byte, 100))
		c.put(rest, make([]byte, ring-2*100-3*valueHead))
		c.put(again, bytes.Repeat([]byte{0xff}, 100+more))
		if got := c.get(second, nil); (len(got) > 0) != (more == 0) {
			t.Errorf("%d bytes too many: %d bytes came back", more, len(got))
		}
		if got := c.get(first, nil); len(got) > 0 {
			t.Error("what was overwritten whole came back")
		}
	}
}

func TestCacheTakesTheLargest(t *testing.T) {
	c := testCache(t, 8<<20)
	piece := int(c.shards[0].piece)
	for size, want := range map[int]int{0: 0, 1: 1, piece - valueHead: piece - valueHead, piece - valueHead + 1: 0, piece * 2: 0} {
		key := numbered(size)
		c.put(numbered(-1-size), []byte("before"))
		c.put(key, make([]byte, size))
		if got := c.get(key, []byte("kept")); len(got) != len("kept")+want || string(got[:4]) != "kept" {
			t.Errorf("size %d: %d bytes came back", size, len(got)-4)
		}
	}
}

// A key that shares what it is found by with another never gets the other's value.
func TestCacheComparesKeys(t *testing.T) {
	c := testCache(t, leastMemory)
	key := numbered(1)
	for i := 8; i < len(key)-1; i++ {
		twin := *key
		twin[i] ^= 1
		c.put(key, []byte("secret"))
		if got := c.get(&twin, nil); len(got) > 0 {
			t.Errorf("byte %d: %q", i, got)
		}
		c.put(&twin, []byte("other"))
		if got := c.get(key, nil); string(got) == "other" {
			t.Errorf("byte %d: the twin's value", i)
		}
	}
}

func TestCacheUnderRaces(t *testing.T) {
	c := testCache(t, leastMemory)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for turn := range 20_000 {
				key := numbered(rand.IntN(2000))
				if got := c.get(key, nil); len(got) > 0 && !bytes.Equal(got[:len(key)], key[:]) {
					t.Error("another key's value")
					return
				}
				c.put(key, valueOf(key, turn, 2000))
			}
		})
	}
	group.Wait()
}
