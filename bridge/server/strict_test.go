//go:build strict

package server_test

import (
	"os/exec"
)

// propertyChecks is the number of checks of TestRefreshProperty.
const propertyChecks = "30"

// kill ends a process and waits for it.
func kill(process *exec.Cmd) {
	process.Process.Kill() // an error means that it has ended
	process.Wait()
}
