package main

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
)

//go:embed config.yaml.tmpl
var configurationText string

// target is a process that answers requests.
type target struct {
	*child
	address string
	admin   string        // of a bridge
	ready   time.Duration // how long a bridge took until it served
}

// secrets are what parties authenticate with.
type secrets struct {
	provider, skill, backend string
}

// buildProgram builds the program as it is released.
func (b *bench) buildProgram(ctx context.Context) error {
	if b.program = b.options.program; b.program != "" {
		return nil
	}
	const source = "alexa-oidc-bridge/cmd/alexa-oidc-bridge"
	folder, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", source).Output()
	if err != nil {
		return fmt.Errorf("the program's source is not here: %w", err)
	}
	profile := filepath.Join(strings.TrimSpace(string(folder)), "lookup.pgo")
	b.program = filepath.Join(b.folder, "alexa-oidc-bridge")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-pgo", profile, "-o", b.program, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+strings.ReplaceAll(os.Getenv("GOFLAGS"), "-race", ""))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the program does not build: %w\n%s", err, output)
	}
	return nil
}

// bridgeTask is what a bridge is started with.
type bridgeTask struct {
	database sqlstore.Options
	issuer   string // of its provider
	listen   string // empty: wherever nobody listens
	memory   string // for answers; empty: as the command line says
}

// startBridge starts the program on a database, and waits until it serves.
func (b *bench) startBridge(task bridgeTask) (*target, error) {
	listen, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	if task.listen != "" {
		listen[0] = task.listen
	}
	config, err := b.configure(map[string]string{"Listen": listen[0], "AdminListen": listen[1], "Issuer": task.issuer,
		"Driver": task.database.Driver, "Memory": cmp.Or(task.memory, b.options.memory)}, task.database.DSN)
	if err != nil {
		return nil, err
	}
	cmd, err := b.bridgeCommand(config)
	if err != nil {
		return nil, err
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	process, err := start("bridge", cmd, b.serverCore)
	if err != nil {
		return nil, err
	}
	b.later(process.stop)
	serving := make(chan error, 1)
	go followLog(log, b.log, serving)
	if err := <-serving; err != nil {
		return nil, err
	}
	return &target{child: process, address: listen[0], admin: listen[1], ready: time.Since(began)}, nil
}

// followLog passes on what the bridge warns of, and tells when it serves.
func followLog(log io.Reader, to io.Writer, serving chan<- error) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Level, Msg string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Level != "INFO" && !expected(line.Msg) {
			fmt.Fprintf(to, "bridge: %s\n", lines.Bytes())
		}
		if line.Msg == "serving" {
			serving <- nil
			serving = make(chan error, 2)
		}
	}
	serving <- fmt.Errorf("the bridge ended before it served; -v shows its log")
}

// expected says whether a warning tells what the load test wants so: its configuration, and a provider that does not run.
func expected(warning string) bool {
	return warning == "unwise configuration" || strings.HasPrefix(warning, "provider not discovered")
}

// configure writes a configuration into a folder of its own, and its secrets beside it.
func (b *bench) configure(values map[string]string, dsn string) (path string, err error) {
	folder, err := os.MkdirTemp(b.folder, "bridge-")
	if err != nil {
		return "", err
	}
	files := map[string]string{"bridge_key": keys.Generate(), "dsn": dsn, "provider_secret": b.secrets.provider,
		"skill_secret": b.secrets.skill, "backend_secret": b.secrets.backend}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	form, err := template.New("config.yaml").Parse(configurationText)
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "config.yaml")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return path, form.Execute(file, values)
}

// freeAddresses finds loopback addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
