package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo terminal: what a person has, and what a program.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { person.Close() })
	connection, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var errControl error
	err = connection.Control(func(fd uintptr) {
		number, errControl = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		errControl = errors.Join(errControl, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
	})
	if err := errors.Join(err, errControl); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// startAtTerminal starts a command at a terminal, and returns what the person there has, and its output.
func startAtTerminal(t *testing.T, args ...string) (person *os.File, command *exec.Cmd, stdout *strings.Builder) {
	t.Helper()
	person, program := openTerminal(t)
	command, stdout = exec.CommandContext(t.Context(), os.Args[0], args...), &strings.Builder{}
	command.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	command.Stdin, command.Stdout, command.Stderr = program, stdout, program
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return person, command, stdout
}

// TestEndAsksAtTerminal verifies when a person at a terminal is asked before links end, and what their answer does.
func TestEndAsksAtTerminal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args   string // completed by the ids or flags
		answer string // empty: not asked
		live   int    // links that are live afterwards
		code   int
	}{
		"yes":           {"--older-than 90d", "yes\n", 1, 0},
		"y":             {"--older-than 90d", "Y\n", 1, 0},
		"no":            {"--older-than 90d", "no\n", 3, 1},
		"nothing":       {"--older-than 90d", "\n", 3, 1},
		"the end":       {"--older-than 90d", "\x04", 3, 1},
		"interrupted":   {"--older-than 90d", "SIGINT", 3, 1},
		"with --yes":    {"--older-than 90d --yes", "", 1, 0},
		"with --expect": {"--older-than 90d --expect 2", "", 1, 0},
		"ids":           {"lnk_used lnk_young", "", 1, 0},
		"none":          {"--older-than 300d", "", 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			config := agedDatabase(t)
			args := append([]string{"links", "revoke", "--config", config}, strings.Fields(tt.args)...)
			person, command, stdout := startAtTerminal(t, args...)
			if tt.answer != "" {
				question, err := bufio.NewReader(person).ReadString(':')
				want := "2 links of 1 person (ada@contoso.com) will be revoked. Type yes to go on:"
				if err != nil || question != want {
					t.Errorf("asked %q, %v; want %q", question, err, want)
				}
				if tt.answer == "SIGINT" {
					err = command.Process.Signal(syscall.SIGINT)
				} else {
					_, err = person.WriteString(tt.answer)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			_ = command.Wait() // the exit code says the same
			if code := command.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, stdout)
			}
			code, list, _ := runCommand("links", "list", "--live", "--config", config)
			if code != 0 || strings.Count(list, "lnk_") != tt.live {
				t.Errorf("live links, want %d:\n%s", tt.live, list)
			}
		})
	}
}
