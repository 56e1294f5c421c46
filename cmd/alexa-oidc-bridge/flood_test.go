//go:build strict && linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFloodOfSockets opens 12,000 sockets from one address: half send a part of a header to /authorize, half wait idle
// after a request of /revoke. The process stays under 400 MB, and answers somebody else.
func TestFloodOfSockets(t *testing.T) {
	const sockets, most = 12_000, 400 << 20
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	path := writeServeConfig(t, address)
	server := exec.Command(buildProgram(t), "serve", "--config", path)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Kill()
	waitHealthy(t, path)

	start := time.Now()
	var flood sync.WaitGroup
	next := make(chan int)
	for range 64 {
		flood.Go(func() {
			for i := range next {
				openSocket(t, address, i)
			}
		})
	}
	for i := range sockets {
		next <- i
	}
	close(next)
	flood.Wait()
	resident := residentBytes(t, server.Process.Pid)
	t.Logf("%d sockets in %v: %d MB resident", sockets, time.Since(start).Round(time.Millisecond), resident>>20)
	if resident > most {
		t.Errorf("%d MB resident, want at most %d", resident>>20, most>>20)
	}
	honest := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext,
	}}
	response, err := honest.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("somebody else got %s", response.Status)
	}
}

// buildProgram builds the program as it is shipped: the race detector takes several times its memory.
func buildProgram(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "alexa-oidc-bridge")
	build := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return path
}

// openSocket opens a socket and leaves it open. Failures count as those of a stranger: they do not matter.
func openSocket(t *testing.T, address string, i int) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	if i%2 == 0 {
		fmt.Fprintf(conn, "GET /authorize?state=%s HTTP/1.1\r\nHost: x\r\nX-Slow: %s",
			strings.Repeat("s", 4<<10), strings.Repeat("h", 24<<10))
		return
	}
	const body = "token=x&client_id=pizza"
	fmt.Fprintf(conn, "POST /revoke HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body)
	conn.Read(make([]byte, 1))
}

// residentBytes reads how much memory a process has.
func residentBytes(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	status, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	if _, err := fmt.Sscanf(after, "%d kB", &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}
