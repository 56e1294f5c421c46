//go:build unix

package answercache

import "syscall"

// allocate returns zeroed memory outside the Go heap, where it would let the heap grow to a multiple before a
// collection. Pages take no memory until they are written.
func allocate(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

// release returns memory from allocate to the operating system. Nothing may refer to it any more.
func release(memory []byte) {
	if err := syscall.Munmap(memory); err != nil {
		panic(err) // cannot happen: it is what allocate returned, once
	}
}
