//go:build !unix

package answercache

// allocate returns zeroed memory.
func allocate(size int) ([]byte, error) { return make([]byte, size), nil }

// release does nothing: the garbage collector finds the memory.
func release([]byte) {}
