package answercache

import (
	"fmt"
	"os"
	"testing"
)

// mapped returns how many pages of memory the process has mapped, used or not.
func mapped(t *testing.T) (pages int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &pages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestFreeUnmaps makes and frees caches of 1 GiB, of which it uses none.
func TestFreeUnmaps(t *testing.T) {
	const size = 1 << 30
	before := mapped(t)
	for range 20 {
		c, err := New(size)
		if err != nil {
			t.Fatal(err)
		}
		c.Free()
	}
	if grown := (mapped(t) - before) * os.Getpagesize(); grown > size {
		t.Errorf("%d bytes more are mapped", grown)
	}
}
