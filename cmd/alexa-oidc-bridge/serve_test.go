package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/keys"
)

// writeServeConfig writes a configuration with a provider that cannot be reached, and a free admin address.
func writeServeConfig(t *testing.T, listen string) (path string) {
	t.Helper()
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	path = filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
public_url: http://127.0.0.1:8080
listen: %s
admin_listen: %s
keys: [%s]
storage: {dsn: bridge.db}
providers: [{id: corp, issuer: "http://127.0.0.1:1", client_id: bridge, client_secret: upstream-secret}]
skills: [{client_id: pizza, name: Contoso Pizza, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}]
backends: [{id: pizza-backend, secret: %s, skills: [pizza]}]
`, listen, admin.Addr(), keys.Generate(), keys.Generate())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServe verifies that serve starts while the provider is down, that health finds it, and that SIGTERM ends it.
func TestServe(t *testing.T) {
	if testing.Short() {
		t.Skip("starts another process")
	}
	config := writeServeConfig(t, "127.0.0.1:0")
	server := exec.Command(os.Args[0], "serve", "--config", config)
	server.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Kill()
	deadline := time.Now().Add(time.Minute)
	for code := exitFailed; code != exitDone; {
		var stderr string
		if code, _, stderr = runCommand("health", "--config", config); code != exitDone && time.Now().After(deadline) {
			t.Fatalf("health: exit code %d, %s", code, stderr)
		}
	}
	server.Process.Signal(syscall.SIGTERM)
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if code, _, _ := runCommand("health", "--config", config); code != exitFailed {
		t.Errorf("health of a server that has stopped: exit code %d, want 1", code)
	}
}

func TestPortInUse(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	code, _, stderr := runCommand("serve", "--config", writeServeConfig(t, other.Addr().String()))
	if code != exitFailed || !strings.Contains(stderr, "address already in use") || strings.Count(stderr, "\n  ") == 0 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
