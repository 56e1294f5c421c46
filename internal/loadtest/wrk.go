package main

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed wrk.lua
var wrkScript []byte

// findWrk looks for wrk.
func (b *bench) findWrk() error {
	path, err := exec.LookPath("wrk")
	if err != nil || b.options.noWrk {
		fmt.Fprintln(b.out, "Without wrk: a client of our own asks, which is slower itself. CPU per request is as it would be; "+
			"requests a second and durations are worse.")
		return nil
	}
	b.wrk, b.script = path, filepath.Join(b.folder, "wrk.lua")
	return os.WriteFile(b.script, wrkScript, 0o600)
}

func (b *bench) wrkCommand(l load) *exec.Cmd {
	seconds := strconv.Itoa(int(math.Ceil(l.Duration.Seconds())))
	return exec.Command(b.wrk, "--threads", "1", "--connections", strconv.Itoa(l.Connections), "--duration", seconds,
		"--script", b.script, "http://"+l.Address+l.Path, "--", l.Bodies, basic(l.User, l.Secret))
}

// readWrk reads the line that our script prints at the end.
func readWrk(output []byte) (result, error) {
	var made result
	var duration, p50, p99 int64 // in microseconds
	_, line, _ := bytes.Cut(output, []byte("measured "))
	_, err := fmt.Sscan(string(line), &made.Requests, &duration, &p50, &p99, &made.Faults)
	if err != nil {
		return result{}, fmt.Errorf("wrk printed what we cannot read: %w\n%s", err, output)
	}
	made.Duration = time.Duration(duration) * time.Microsecond
	made.P50, made.P99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	return made, nil
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}
