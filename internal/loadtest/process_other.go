//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"time"
)

// errOnlyLinux: elsewhere there is no way to pin a process or to ask what it costs that we know of.
var errOnlyLinux = errors.New("the load test needs Linux")

func cores() ([]int, error) { return nil, errOnlyLinux }

func pinThread(int) error { return errOnlyLinux }

func pinThreadsOf(int, []int) error { return errOnlyLinux }

func describeMachine() string { return "" }

func endWithParent(*exec.Cmd) {}

func cpuTime(int) (time.Duration, error) { return 0, errOnlyLinux }

func memoryOf(int) (int64, error) { return 0, errOnlyLinux }
