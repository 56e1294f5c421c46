package introspect

import "syscall"

// preferHugePages asks for pages of the larger kind, of which a processor knows the places of more memory at once. Without them
// everything works, only slower; so an error is of no interest.
func preferHugePages(memory []byte) { syscall.Madvise(memory, syscall.MADV_HUGEPAGE) }
