//go:build strict

package server_test

import (
	"os"
	"os/exec"
	"testing"
)

// propertyChecks is the number of checks of TestRefreshProperty.
const propertyChecks = "30"

// need ends the test if the machine does not meet a requirement. The test is skipped, or fails with
// BRIDGE_TEST_STRICT=1.
func need(t *testing.T, met bool, reason string) {
	t.Helper()
	switch {
	case met:
	case os.Getenv("BRIDGE_TEST_STRICT") == "1":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// kill ends a process and waits for it.
func kill(process *exec.Cmd) {
	process.Process.Kill() // an error means that it has ended
	process.Wait()
}
