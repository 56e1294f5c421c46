//go:build unix && !linux

package introspect

import "syscall"

// allocate returns memory of zeros that is not on the heap, where it would let as much garbage grow. It is never given back.
func allocate(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}
