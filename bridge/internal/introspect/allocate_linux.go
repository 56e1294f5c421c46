package introspect

import "syscall"

// allocate returns memory of zeros that is not on the heap, where it would let as much garbage grow, in huge pages if there are
// any. It is never given back.
func allocate(size int) ([]byte, error) {
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		syscall.Madvise(memory, syscall.MADV_HUGEPAGE) // an error means that there are none: all is as it should be, and slower
	}
	return memory, err
}
