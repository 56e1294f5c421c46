package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
	"alexa-oidc-bridge/internal/testbridge"
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
	waitHealthy(t, config)
	server.Process.Signal(syscall.SIGTERM)
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if code, _, _ := runCommand("health", "--config", config); code != exitFailed {
		t.Errorf("health of a server that has stopped: exit code %d, want 1", code)
	}
}

// waitHealthy waits until the server of a configuration answers.
func waitHealthy(t *testing.T, config string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for code := exitFailed; code != exitDone; {
		var stderr string
		if code, _, stderr = runCommand("health", "--config", config); code != exitDone && time.Now().After(deadline) {
			t.Fatalf("health: exit code %d, %s", code, stderr)
		}
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

// startServe starts serve in this process. The function returned ends it, unless it has ended, and returns its error.
func startServe(t *testing.T, path string) (log *testbridge.Log, loaded *config.Config, end func() error) {
	t.Helper()
	return startServeWith(t, path, reloading{level: new(slog.LevelVar)})
}

func startServeWith(t *testing.T, path string, again reloading) (
	log *testbridge.Log, loaded *config.Config, end func() error,
) {
	t.Helper()
	loaded, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	log, ended := &testbridge.Log{}, make(chan error, 1)
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: again.level}))
	go func() { ended <- serve(ctx, loaded, logger, again) }()
	log.Wait(t, 0, `"msg":"serving"`)
	return log, loaded, func() error {
		stop()
		return <-ended
	}
}

// TestServeLogs verifies what the log says of a database that others can read, and of one that is replaced.
func TestServeLogs(t *testing.T) {
	t.Parallel()
	path := writeServeConfig(t, "127.0.0.1:0")
	_, loaded, end := startServe(t, path)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	database := loaded.Storage.DSN
	if err := os.Chmod(database, 0o644); err != nil {
		t.Fatal(err)
	}
	log, _, end := startServe(t, path)
	log.Wait(t, 0, "other users of this machine can access the database")
	text, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(database+".new", database); err != nil {
		t.Fatal(err)
	}
	log.Wait(t, 0, `"msg":"stopping"`)
	if err := end(); err == nil || !strings.Contains(log.String(), "the database was replaced while it was open") {
		t.Errorf("%v\n%s", err, log)
	}
}

// TestServeFinishesAdminRequests stops serve while a program revokes a link, whose answer it must get.
func TestServeFinishesAdminRequests(t *testing.T) {
	t.Parallel()
	path, secret := writeServeConfig(t, "127.0.0.1:0"), keys.Generate()
	mustWriteFile(t, path, mustReadFile(t, path)+"admin_tokens: [{name: hr, secret: "+secret+", may: [revoke]}]\n")
	log, loaded, end := startServe(t, path)
	client, err := net.Dial("tcp", loaded.AdminListen)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const head = "POST /api/links/lnk_x/revoke HTTP/1.1\r\nHost: x\r\n" +
		"Content-Type: application/json\r\nExpect: 100-continue\r\n"
	fmt.Fprintf(client, head+"Content-Length: 2\r\nAuthorization: Bearer %s\r\n\r\n", secret)
	reader := bufio.NewReader(client)
	if line, err := reader.ReadString('\n'); !strings.Contains(line, "100 Continue") { // the handler waits for the body
		t.Fatal(line, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	log.Wait(t, 0, `"msg":"stopping"`)
	fmt.Fprint(client, "{}")
	text, err := io.ReadAll(reader)
	if !strings.Contains(string(text), "404 Not Found") {
		t.Errorf("%v: %s", err, text)
	}
	if err := <-ended; err != nil || strings.Contains(log.String(), "requests aborted") {
		t.Errorf("%v\n%s", err, log)
	}
}

// TestServeAbortsRequests stops serve while a client does not finish its request.
func TestServeAbortsRequests(t *testing.T) {
	t.Parallel()
	log, _, end := startServe(t, writeServeConfig(t, "127.0.0.1:0"))
	var serving struct{ Listen string }
	first, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(first), &serving); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", serving.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const head = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	fmt.Fprint(client, head+"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	if _, err := client.Read(make([]byte, 1)); err != nil { // the handler waits for the body
		t.Fatal(err)
	}
	if err := end(); err != nil || !strings.Contains(log.String(), "requests aborted") {
		t.Errorf("%v\n%s", err, log)
	}
}
