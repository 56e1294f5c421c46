package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestReloadProcess sends SIGHUP to the program, and SIGTERM while it may still reload.
func TestReloadProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("starts another process")
	}
	t.Parallel()
	path, log := mintConfig(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db")), &testbridge.Log{}
	program := exec.Command(os.Args[0], "serve", "--config", path)
	program.Env = append(os.Environ(), "BRIDGE_TEST_RUN_AS_PROGRAM=1")
	program.Stderr = log
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer program.Process.Kill()
	log.Wait(t, 0, `"msg":"serving"`)
	mustWriteFile(t, path, mustReadFile(t, path)+"operator: {name: Contoso IT}\n")
	program.Process.Signal(syscall.SIGHUP)
	log.Wait(t, 0, reloaded+`,"settings_changed":["operator"]}`)
	program.Process.Signal(syscall.SIGHUP)
	program.Process.Signal(syscall.SIGTERM)
	if err := program.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}
