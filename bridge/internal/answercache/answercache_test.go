package answercache

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"sync"
	"testing"
)

func newCache(t *testing.T) *Cache {
	t.Helper()
	c, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEntry(t *testing.T) {
	c := newCache(t)
	key := Key(sha256.Sum256([]byte("x")))
	want := Entry{Expires: 1<<40 + 7, LastUsed: 1<<33 + 5, User: 1<<63 + 9, Stripe: stripes - 1, Skill: 77,
		Response: []byte(`{"active":true}`)}
	c.Put(&key, &want)
	got, ok, _ := c.Get(&key, nil)
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	other := Key(sha256.Sum256([]byte("y")))
	if _, ok, _ := c.Get(&other, nil); ok {
		t.Error("got an entry for another token")
	}
}

// Put accepts an entry whose response lies in the buffer that Get returned.
func TestPutFromBuffer(t *testing.T) {
	c := newCache(t)
	key := Key{1}
	c.Put(&key, &Entry{Skill: 7, Response: []byte("response")})
	buffer := make([]byte, 0, 1<<10)
	entry, _, buffer := c.Get(&key, buffer)
	entry.LastUsed = 5
	c.Put(&key, &entry)
	got, ok, _ := c.Get(&key, buffer)
	if !ok || got.Skill != 7 || got.LastUsed != 5 || string(got.Response) != "response" {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func TestClear(t *testing.T) {
	c := newCache(t)
	key := Key{1}
	c.Put(&key, &Entry{Revision: c.Revision()})
	c.Clear()
	if _, ok, _ := c.Get(&key, nil); ok {
		t.Error("got an entry from before Clear")
	}
	c.Put(&key, &Entry{Revision: c.Revision()})
	if _, ok, _ := c.Get(&key, nil); !ok {
		t.Error("got no entry from after Clear")
	}
}

// While many goroutines read, put and revoke, an entry that was read from the store before a revocation is never
// valid after it.
func TestRevokeUnderRaces(t *testing.T) {
	c := newCache(t)
	const links = 50
	var locks [links]sync.RWMutex // held for writing while a link is revoked, as a store does
	var revoked [links]bool
	var group sync.WaitGroup
	id := func(i int) string { return fmt.Sprint("lnk_", i) }
	key := func(i int) *Key {
		k := Key(sha256.Sum256([]byte(id(i))))
		return &k
	}
	for range 4 {
		group.Go(func() {
			for i := range links * 200 {
				i %= links
				revision := c.Revision()
				locks[i].RLock()
				live := !revoked[i]
				locks[i].RUnlock()
				if live {
					c.Put(key(i), &Entry{Revision: revision, Stripe: c.Stripe(id(i)), Response: []byte("live")})
				}
			}
		})
	}
	group.Go(func() {
		for i := range links {
			locks[i].Lock()
			revoked[i] = true
			locks[i].Unlock()
			c.Revoke(id(i))
			if _, ok, _ := c.Get(key(i), nil); ok {
				t.Errorf("link %d is valid after its revocation", i)
			}
		}
	})
	group.Wait()
	for i := range links {
		if _, ok, _ := c.Get(key(i), nil); ok {
			t.Errorf("link %d became valid again", i)
		}
	}
}

// TestFree uses a cache while it is freed, and after that.
func TestFree(t *testing.T) {
	c := newCache(t)
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			for i := range 2000 {
				key := Key(sha256.Sum256([]byte(fmt.Sprint(n, i))))
				c.Put(&key, &Entry{Revision: c.Revision(), Response: []byte("response")})
				if entry, ok, _ := c.Get(&key, nil); ok && string(entry.Response) != "response" {
					t.Errorf("got %+v", entry)
				}
				c.Revoke(fmt.Sprint(i))
			}
		})
	}
	c.Free()
	group.Wait()
	c.Free()
	for _, key := range []Key{{}, {1}} {
		c.Put(&key, &Entry{Revision: c.Revision()})
		if entry, ok, _ := c.Get(&key, nil); ok || c.Size() != 0 {
			t.Errorf("got %+v, size %d", entry, c.Size())
		}
	}
}
