//go:build !linux

package postgrestest

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

const (
	gone   = "gone"
	halted = "halted"
	alive  = "alive"
)

// endWithParent can do nothing here: a server outlives a test binary that is killed.
func endWithParent(*syscall.SysProcAttr) {}

func folderInMemory() string { return "" }

func stateOf(pid int) string {
	output, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	switch {
	case err != nil, strings.HasPrefix(string(output), "Z"):
		return gone
	case strings.HasPrefix(string(output), "T"):
		return halted
	default:
		return alive
	}
}

func childrenOf(parent int) ([]int, error) {
	output, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, err
	}
	var children []int
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, err
		}
		children = append(children, pid)
	}
	return children, nil
}
