package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestServeIsHardened looks at a server from outside. What the limit of core dumps shows, Harden did.
func TestServeIsHardened(t *testing.T) {
	if testing.Short() {
		t.Skip("starts another process")
	}
	config := writeServeConfig(t, "127.0.0.1:0")
	server := exec.Command("sh", "-c", `ulimit -c "$(ulimit -Hc)" && exec "$@"`,
		"sh", os.Args[0], "serve", "--config", config)
	server.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	waitHealthy(t, config)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", server.Process.Pid))
	if err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("%v\n%s", err, limits)
	}
}
