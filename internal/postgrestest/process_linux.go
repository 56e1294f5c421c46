package postgrestest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// The states of a process that matter here.
const (
	gone   = "gone" // or dead and waiting for its parent to notice
	halted = "halted"
	alive  = "alive"
)

// endWithParent asks the kernel to shut the server down when we end without having done so, as a test binary does that
// is killed or times out. The server is in a process group of its own so that an interrupt typed at the terminal reaches
// only us, and we stop it when we are done.
func endWithParent(attributes *syscall.SysProcAttr) {
	attributes.Pdeathsig = syscall.SIGQUIT
	attributes.Setpgid = true
}

// folderInMemory is empty where that has little room, as in a container.
func folderInMemory() string {
	const path, enough = "/dev/shm", 4 << 30
	var room syscall.Statfs_t
	if err := syscall.Statfs(path, &room); err != nil || room.Bavail*uint64(room.Bsize) < enough {
		return ""
	}
	return path
}

func stateOf(pid int) string {
	fields, err := statusOf(strconv.Itoa(pid))
	switch {
	case err != nil, fields.state == "Z", fields.state == "X":
		return gone
	case fields.state == "T":
		return halted
	default:
		return alive
	}
}

func childrenOf(parent int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, err := statusOf(entry.Name())
		if err == nil && status.parent == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

type processStatus struct {
	state  string
	parent int
}

// statusOf reads /proc/PID/stat: "pid (name) state parent …", where the name may hold anything.
func statusOf(pid string) (processStatus, error) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return processStatus{}, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return processStatus{}, fmt.Errorf("process %s has no status", pid)
	}
	parent, err := strconv.Atoi(fields[1])
	return processStatus{state: fields[0], parent: parent}, err
}
