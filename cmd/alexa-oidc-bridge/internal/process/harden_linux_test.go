package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"alexa-oidc-bridge/cmd/alexa-oidc-bridge/internal/process"
)

// TestMain says what Harden did in a process that a test starts.
func TestMain(m *testing.M) {
	if os.Getenv("BRIDGE_TEST_HARDEN") == "" {
		os.Exit(m.Run())
	}
	var core unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_CORE, &core)
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: core.Max, Max: core.Max})
	err := process.Harden()
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	limits, _ := os.ReadFile("/proc/self/limits")
	fmt.Printf("%v, dumpable %d, %s", err, dumpable, regexp.MustCompile(`Max core file size +\S+ +\S+`).Find(limits))
}

func TestHarden(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BRIDGE_TEST_HARDEN=1")
	output, err := child.CombinedOutput()
	if !regexp.MustCompile(`^<nil>, dumpable 0, Max core file size +0 +0$`).Match(output) || err != nil {
		t.Errorf("%s, %v", output, err)
	}
}
