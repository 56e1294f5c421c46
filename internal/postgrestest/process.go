package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a running postmaster, the parent of all processes of one server.
type process struct {
	pid   int
	ended chan struct{}
	fault error // why it ended; set before ended is closed
}

// launch starts the command on an operating system thread that stays for as long as the command runs, because the kernel
// takes the end of that thread for the end of the parent (see endWithParent).
func launch(cmd *exec.Cmd) (*process, error) {
	endWithParent(cmd.SysProcAttr)
	p := &process{ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		p.fault = cmd.Wait()
		close(p.ended)
	}()
	return p, <-started
}

func (p *process) runs() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop is PostgreSQL's fast shutdown: it ends the sessions and writes everything down.
func (p *process) stop() error { return p.signalAndWait(syscall.SIGINT) }

// quit is PostgreSQL's immediate shutdown: nothing is written any more, but shared memory is given back.
func (p *process) quit() error { return p.signalAndWait(syscall.SIGQUIT) }

func (p *process) signalAndWait(signal syscall.Signal) error {
	if !p.runs() {
		return nil
	}
	if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return p.waitEnded()
}

func (p *process) waitEnded() error {
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("process %d does not end", p.pid)
	}
}

// kill halts the postmaster first so that it starts no child that would be overlooked. Its children are in process
// groups of their own, so one signal does not reach all.
func (p *process) kill() error {
	if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	if err := until(func() bool { return stateOf(p.pid) != alive }); err != nil {
		return err
	}
	children, err := childrenOf(p.pid)
	if err != nil {
		return err
	}
	for _, pid := range append(children, p.pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	if err := p.waitEnded(); err != nil {
		return err
	}
	return until(func() bool { return allGone(children) })
}

func allGone(pids []int) bool {
	for _, pid := range pids {
		if stateOf(pid) != gone {
			return false
		}
	}
	return true
}

func until(condition func() bool) error {
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("waited in vain for processes to end")
		}
	}
	return nil
}

// removeSharedMemory removes the one System V segment that a killed server leaves behind and that only its next start
// would remove. It does what it can: the segment is 56 bytes.
func removeSharedMemory(dataFolder string) {
	const keyAndID = 6 // the line of postmaster.pid
	content, err := os.ReadFile(filepath.Join(dataFolder, "postmaster.pid"))
	if err != nil {
		return
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) <= keyAndID {
		return
	}
	if fields := strings.Fields(lines[keyAndID]); len(fields) == 2 {
		_ = exec.Command("ipcrm", "-m", fields[1]).Run()
	}
}
