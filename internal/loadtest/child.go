package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// roleVariable tells a process of this program that it is to play a part of the load test.
const roleVariable = "LOADTEST_ROLE"

// roles are the parts that this program plays in processes of its own. Each reads its task from its input as JSON.
func roles() map[string]func(task io.Reader, stdout io.Writer) error {
	return map[string]func(io.Reader, io.Writer) error{
		"bare":     serveBare,
		"client":   askAsTold,
		"alone":    askAloneAsTold,
		"profiled": serveProfiled,
	}
}

// playRole plays a part, if this process was started to.
func playRole(stdin io.Reader, stdout, stderr io.Writer) (code int, isChild bool) {
	name := os.Getenv(roleVariable)
	if name == "" {
		return 0, false
	}
	play := roles()[name]
	if play == nil {
		fmt.Fprintf(stderr, "loadtest: there is no role %q\n", name)
		return 2, true
	}
	if err := play(stdin, stdout); err != nil {
		fmt.Fprintf(stderr, "loadtest as %s: %v\n", name, err)
		return 1, true
	}
	return 0, true
}

// roleCommand is the command that plays a part.
func roleCommand(name string, task any) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(task)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(ownEnvironment(), roleVariable+"="+name)
	cmd.Stdin = bytes.NewReader(encoded)
	return cmd, nil
}

// ownEnvironment leaves out what would win over the configuration of a bridge.
func ownEnvironment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "BRIDGE_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// child is a process that we started.
type child struct {
	name  string
	pid   int
	ended chan struct{}
	fault error // why it ended; set before ended is closed
}

// start starts a command with one core to itself. The child ends with us, however we end: the kernel sees to that, and takes
// the end of the thread that started it for ours, so that thread stays.
func start(name string, cmd *exec.Cmd, cpu int) (*child, error) {
	if cmd.Env == nil {
		cmd.Env = ownEnvironment()
	}
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	endWithParent(cmd)
	c := &child{name: name, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: what the thread was pinned to must not reach others
		err := pinThread(cpu)
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			c.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			c.fault = cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// running is a child that ends by itself, and what it prints, which must be little: nobody reads it before.
type running struct {
	*child
	printed *bufio.Reader
	pipe    *os.File
}

// launch starts a command on a core.
func (b *bench) launch(name string, cmd *exec.Cmd, core int) (*running, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	cmd.Stdout, cmd.Stderr = write, b.faults
	started, err := start(name, cmd, core)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return &running{child: started, printed: bufio.NewReader(read), pipe: read}, nil
}

// waitForLine waits for the first line.
func (r *running) waitForLine(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { r.pipe.SetReadDeadline(time.Now()) })
	defer stop()
	_, err := r.printed.ReadString('\n')
	return err
}

// output waits for the end and returns what was printed and not yet read.
func (r *running) output(ctx context.Context) ([]byte, error) {
	select {
	case <-r.ended:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), r.giveUp())
	}
	defer r.pipe.Close()
	if r.fault != nil {
		return nil, r.endedEarly()
	}
	return io.ReadAll(r.printed)
}

// giveUp ends a command before its end.
func (r *running) giveUp() error {
	defer r.pipe.Close()
	select {
	case <-r.ended:
		return nil
	default:
		return r.stop()
	}
}

// stopWithin is how long a child may take to end when it is asked to.
const stopWithin = 10 * time.Second

// stop ends a child, and says whether it ended as it should. One that has ended is left alone.
func (c *child) stop() error {
	select {
	case <-c.ended:
		return c.endedEarly()
	default:
	}
	if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopWithin):
		syscall.Kill(c.pid, syscall.SIGKILL)
		<-c.ended
		return fmt.Errorf("%s had to be killed", c.name)
	}
}

func (c *child) endedEarly() error {
	return fmt.Errorf("%s ended early: %v", c.name, c.fault)
}
