//go:build strict

package examples_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
	"alexa-oidc-bridge/internal/testmachine"
)

// TestNodeKit runs the cases that all kits share, and the tests of its own.
func TestNodeKit(t *testing.T) {
	needNode(t)
	runTests(t, "skill-node", "node", "--test", "lookup.test.js")
}

// TestPythonKit is TestNodeKit for Python.
func TestPythonKit(t *testing.T) {
	needPython(t)
	runTests(t, "skill-python", "python3", "-B", "-W", "error::ResourceWarning", "-m", "unittest")
}

func runTests(t *testing.T, folder string, command ...string) {
	t.Helper()
	run := exec.Command(command[0], command[1:]...)
	run.Dir = folder
	if output, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func needNode(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("node")
	testmachine.Need(t, err == nil, "node is not on the PATH; install Node.js")
	_, err = os.Stat(filepath.Join("skill-node", "node_modules", "ask-sdk-express-adapter"))
	testmachine.Need(t, err == nil, "the SDK of Amazon is not installed; run npm ci --prefix examples/skill-node")
}

func needPython(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("python3")
	testmachine.Need(t, err == nil, "python3 is not on the PATH; install Python 3.11 or later")
}

// startSkill starts a skill on a free port, which ends with the test, and returns its URL. What it logs must not
// contain the secret of the backend.
func startSkill(t *testing.T, folder string, command, environment []string) (endpoint string) {
	t.Helper()
	process := exec.Command(command[0], command[1:]...)
	log := &testbridge.Log{}
	process.Dir, process.Stderr = folder, log
	process.Env = append(os.Environ(), environment...)
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Process.Kill() // an error means that it has ended
		process.Wait()
		if strings.Contains(log.String(), testbridge.BackendSecret) {
			t.Errorf("%s logs a secret:\n%s", folder, log)
		}
	})
	timeout := time.AfterFunc(30*time.Second, func() { process.Process.Kill() })
	defer timeout.Stop()
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if address, ready := strings.CutPrefix(lines.Text(), "listening on "); ready {
			return address
		}
	}
	t.Fatalf("%s ended before it listened:\n%s", folder, log)
	return ""
}

// serveChain plays s3.amazonaws.com, and returns the variable that tells the skill where.
func serveChain(t *testing.T, signer *simulator.Signer) string {
	t.Helper()
	address, stop, err := signer.Serve(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return "TEST_CHAIN_PORT=" + port
}

// writeRoot writes the certificate of the signer's authority, and returns the variable that tells the skill where.
func writeRoot(t *testing.T, signer *simulator.Signer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(path, signer.Root, 0o600); err != nil {
		t.Fatal(err)
	}
	return "TEST_ROOT=" + path
}
