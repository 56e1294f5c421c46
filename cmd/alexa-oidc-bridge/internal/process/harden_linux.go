package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps the memory of this process, which holds secrets, from core dumps and from other processes of the same
// user: neither a debugger nor /proc/PID/mem shows it to anybody but root.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps cannot be turned off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("the process cannot be made undumpable: %w", err)
	}
	return nil
}
