//go:build strict

package chaostest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Set by TestMain.
var (
	program      string // the path of the command
	processGroup int    // of all processes; it is killed when the test process ends, however it ends
)

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// runTests builds the program and runs the tests.
func runTests(m *testing.M) (code int, err error) {
	folder, err := os.MkdirTemp("", "chaostest-")
	if err != nil {
		return 1, err
	}
	keeper := exec.Command("sh", "-c", `read _; rm -rf "$0"; kill -KILL 0`, folder)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end, err := keeper.StdinPipe()
	if err != nil {
		return 1, err
	}
	if err := keeper.Start(); err != nil {
		return 1, err
	}
	defer keeper.Wait()
	defer end.Close()
	program, processGroup = filepath.Join(folder, "alexa-oidc-bridge"), keeper.Process.Pid
	arguments := append(append([]string{"build"}, raceFlags()...), "-o", program, "../../cmd/alexa-oidc-bridge")
	build := exec.Command("go", arguments...)
	if output, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the program: %w\n%s", err, output)
	}
	return m.Run(), nil
}

// raceFlags are the flags that say what of these tests the race detector checks.
func raceFlags() (flags []string) {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if slices.Contains([]string{"-race", "-gcflags"}, setting.Key) {
			flags = append(flags, setting.Key+"="+setting.Value)
		}
	}
	return flags
}

// command returns a process of the program that does not outlive the tests.
func command(ctx context.Context, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: processGroup}
	return cmd
}

// runCommand runs the program. After the timeout it is killed, and the code is -1.
func runCommand(timeout time.Duration, arguments ...string) (code int, output string) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := command(ctx, arguments...)
	text, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return -1, err.Error()
	}
	return cmd.ProcessState.ExitCode(), string(text)
}
