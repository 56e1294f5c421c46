package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cpuSet is a set of cores as the kernel has it.
type cpuSet [16]uint64

// cores lists the cores that this process may use.
func cores() ([]int, error) {
	var set cpuSet
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return nil, errno
	}
	var all []int
	for i := range len(set) * 64 {
		if set[i/64]&(1<<(i%64)) != 0 {
			all = append(all, i)
		}
	}
	return all, nil
}

// pinThread keeps the calling thread, and what it starts, on one core.
func pinThread(cpu int) error { return pin(0, []int{cpu}) }

// pin keeps a thread on some cores; 0 is the calling one.
func pin(thread int, cores []int) error {
	var set cpuSet
	for _, core := range cores {
		set[core/64] |= 1 << (core % 64)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(thread), unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return fmt.Errorf("pin to cores %v: %w", cores, errno)
	}
	return nil
}

// pinThreadsOf keeps all threads of a process on some cores.
func pinThreadsOf(pid int, cores []int) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := pin(id, cores); err != nil && !errors.Is(err, syscall.ESRCH) { // it may have ended meanwhile
			return err
		}
	}
	return nil
}

// endWithParent asks the kernel to end the child when we end without having done so.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// cpuTime is the CPU time of all threads of a process since it began, those that have ended too, to the nanosecond.
func cpuTime(pid int) (time.Duration, error) {
	const processClock = 2 // CPUCLOCK_SCHED of the kernel, in the numbers of the clocks of other processes
	var spent syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|processClock), uintptr(unsafe.Pointer(&spent)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, errno)
	}
	return time.Duration(spent.Nano()), nil
}

// memoryOf is how much memory a process has for itself. Pages of a file that it maps are the system's, which takes them back
// when it needs the room: SQLite's readers map the database.
func memoryOf(pid int) (own int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	kilobytes, found := lineOf(string(status), "RssAnon:")
	if !found {
		return 0, errors.New("the kernel does not tell the memory of a process")
	}
	number, err := strconv.ParseInt(strings.TrimSuffix(kilobytes, " kB"), 10, 64)
	return number << 10, err
}

// describeMachine says what the machine is.
func describeMachine() string {
	read := func(path string) string { content, _ := os.ReadFile(path); return string(content) } // what is not told stays empty
	model, _ := lineOf(read("/proc/cpuinfo"), "model name")
	total, _ := lineOf(read("/proc/meminfo"), "MemTotal:")
	kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(total, " kB"), 64)
	return fmt.Sprintf("%s, %d cores, %.0f GiB, Linux %s", strings.TrimLeft(model, ": "), runtime.NumCPU(), kilobytes/(1<<20),
		strings.TrimSpace(read("/proc/sys/kernel/osrelease")))
}

// lineOf finds the first line with a name, and returns the rest of it.
func lineOf(text, name string) (rest string, found bool) {
	for line := range strings.Lines(text) {
		if rest, found = strings.CutPrefix(line, name); found {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}
