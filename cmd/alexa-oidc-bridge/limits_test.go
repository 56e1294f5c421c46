package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestServeLimits opens more connections than limits.connections on either listener, and looks for what the log and
// the metrics say.
func TestServeLimits(t *testing.T) {
	if os.Getenv("GOMEMLIMIT") != "" {
		t.Skip("GOMEMLIMIT wins")
	}
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	log, loaded, end := startServe(t, writeLimitsConfig(t, "{connections: 16, memory: 1GiB}"))
	log.Wait(t, 0, `"msg":"memory limit","source":"limits.memory","bytes":1073741824,"go_bytes":899258774}`)
	if got := debug.SetMemoryLimit(-1); got != 899258774 {
		t.Errorf("memory limit %d", got)
	}
	var serving struct{ Listen string }
	first, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(first), &serving); err != nil {
		t.Fatal(err)
	}
	connect(t, serving.Listen, 5)
	log.Wait(t, 0, `"msg":"too many connections from one peer: its idle ones are closed","connections":4`)
	response, err := http.Get("http://" + loaded.AdminListen + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(metrics), "\nbridge_connections 4\n") ||
		!strings.Contains(string(metrics), "\nbridge_connections_closed_total{reason=") {
		t.Errorf("metrics: %v\n%s", err, regexp.MustCompile(`(?m)^bridge_conn.*`).FindAll(metrics, -1))
	}
	if err := firstEnd(connect(t, loaded.AdminListen, 5)); err != nil {
		t.Errorf("five connections to the admin listener are open: %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestServeLimitsAdmin bounds the admin listener also where the public one has no limit.
func TestServeLimitsAdmin(t *testing.T) {
	_, loaded, end := startServe(t, writeLimitsConfig(t, "{connections: 0}"))
	if err := firstEnd(connect(t, loaded.AdminListen, adminConnections/4+1)); err != nil {
		t.Errorf("a peer has more than its share of connections to the admin listener: %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func writeLimitsConfig(t *testing.T, limits string) (path string) {
	t.Helper()
	path = writeServeConfig(t, "127.0.0.1:0")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mustWriteFile(t, path, string(text)+"limits: "+limits+"\n")
	return path
}

// connect opens connections that become idle.
func connect(t *testing.T, address string, n int) (conns []net.Conn) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	return conns
}

// firstEnd waits until the server closes one of the connections: which one depends on the order in which the server
// found them idle, which need not be that of the answers.
func firstEnd(conns []net.Conn) error {
	ends := make(chan error, len(conns))
	for _, conn := range conns {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		go func() {
			_, err := io.Copy(io.Discard, conn)
			ends <- err
		}()
	}
	return <-ends
}

func TestSoftLimit(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		limit, lookup, soft int64
		fits                bool
	}{
		{1000 * mib, 64 * mib, 836 * mib, true},
		{100 * mib, 64 * mib, 26 * mib, true},
		{100 * mib, 65 * mib, 25 * mib, true},
		{100 * mib, 66 * mib, 25 * mib, false},
		{100 * mib, 200 * mib, 25 * mib, false},
	}
	for _, tt := range tests {
		if soft, fits := softLimit(tt.limit, tt.lookup); soft != tt.soft || fits != tt.fits {
			t.Errorf("%d MiB with %d MiB of lookups: %d MiB, fits %v", tt.limit/mib, tt.lookup/mib, soft/mib, fits)
		}
	}
}

// TestNoSecretInArguments verifies that no flag takes a secret: other users can see the arguments of a process.
func TestNoSecretInArguments(t *testing.T) {
	secret := regexp.MustCompile(`(?i)secret|token|key|password|dsn|code|ticket`)
	names := regexp.MustCompile(`-(file|uri)$`) // what a flag names, in place of having it
	flags := 0
	var visit func(*cobra.Command)
	visit = func(command *cobra.Command) {
		command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			flags++
			if flag.Value.Type() != "bool" && secret.MatchString(flag.Name) && !names.MatchString(flag.Name) {
				t.Errorf("%s --%s", command.CommandPath(), flag.Name)
			}
		})
		if arguments := strings.TrimPrefix(command.Use, command.Name()); secret.MatchString(arguments) {
			t.Errorf("%s takes%s", command.CommandPath(), arguments)
		}
		for _, child := range command.Commands() {
			visit(child)
		}
	}
	visit(rootCommand())
	if flags < 10 {
		t.Errorf("only %d flags were seen", flags)
	}
}
