//go:build strict

package deployments_test

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/internal/testmachine"
)

// proxy is a proxy of the documentation before replicas of the test.
type proxy struct {
	origin string
	log    bytes.Buffer // complete once stop has returned
	stop   func()
}

// startCaddy starts Caddy with the Caddyfile of the example, with loopback addresses in place of the names of the
// replicas and for itself, and for https with a certificate.
func startCaddy(t *testing.T, scheme string, replicas [2]http.HandlerFunc) *proxy {
	t.Helper()
	home := t.TempDir()
	certificate := map[string]string{"https": "tls certificate.pem key.pem\n"}[scheme]
	writeCertificate(t, home)
	write(t, filepath.Join(home, "Caddyfile"), strings.NewReplacer(
		"admin off\n", "admin off\n\tdefault_bind 127.0.0.1\n\tskip_install_trust\n\tauto_https disable_redirects\n",
		"\tlog\n", "\tlog\n\t"+certificate,
		"bridge-1:8080", startReplica(t, replicas[0]),
		"bridge-2:8080", startReplica(t, replicas[1])).Replace(read(t, "../compose/Caddyfile")))
	p := &proxy{origin: scheme + "://localhost:" + freePort(t)}
	caddy := caddyCommand(t, home, p.origin, "run", filepath.Join(home, "Caddyfile"))
	caddy.Dir = home
	p.run(t, caddy, syscall.SIGTERM, "serving initial configuration")
	return p
}

// startReplica starts an HTTP server as serve does, and returns its address. "/" is for health checks.
func startReplica(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	replica := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			handler(w, r)
		}
	}))
	replica.Config.ReadTimeout, replica.Config.MaxHeaderBytes = 10*time.Second, 32<<10
	replica.Start()
	t.Cleanup(replica.Close)
	return replica.Listener.Addr().String()
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// run starts a command that logs to standard error, and waits for what it logs when it is ready.
func (p *proxy) run(t *testing.T, command *exec.Cmd, stop os.Signal, readyText string) {
	t.Helper()
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan bool, 2), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); p.log.WriteString("\n") {
			p.log.Write(lines.Bytes())
			if strings.Contains(lines.Text(), readyText) {
				select {
				case ready <- true:
				default:
				}
			}
		}
		ready <- false
	}()
	p.stop = sync.OnceFunc(func() {
		command.Process.Signal(stop)
		<-ended
		command.Wait()
	})
	t.Cleanup(p.stop)
	if !<-ready {
		t.Fatalf("%s does not serve: %s", command.Path, p.log.String())
	}
}

func caddyCommand(t *testing.T, home, origin, command, file string) *exec.Cmd {
	t.Helper()
	caddy, err := exec.LookPath("caddy")
	testmachine.Need(t, err == nil, "caddy is not installed")
	run := exec.Command(caddy, command, "--adapter", "caddyfile", "--config", file)
	run.Env = append(os.Environ(), "PUBLIC_URL="+origin, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	return run
}

// send sends the longest headers that a browser brings, with secrets wherever a browser has some.
func (p *proxy) send(t *testing.T, method, target string) *http.Response {
	t.Helper()
	request, err := http.NewRequest(method, p.origin+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{
		"Cookie":        {"a=" + strings.Repeat("a", 4000) + "; b=secret-cookie" + strings.Repeat("b", 4000)},
		"Referer":       {"https://link.example.com/callback/corp?code=secret-referer"},
		"Authorization": {"Basic secret-authorization"},
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

// TestProxyPassesLongHeadersAndLogsNoSecret verifies that state, codes and tokens pass through Caddy and not into its
// log.
func TestProxyPassesLongHeadersAndLogsNoSecret(t *testing.T) {
	location := "https://pitangui.amazon.com/#access_token=secret-token&state=" + strings.Repeat("s", 3000)
	query := "state=secret-state+%2F%3D%26%23" + strings.Repeat("s", 1500) + "&code=secret-code&x=%2f%2F+"
	var changed atomic.Int32
	replica := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != query || len(r.Header.Get("Cookie")) < 8000 {
			changed.Add(1)
		}
		w.Header().Set("Location", location)
		w.Header().Set("Set-Cookie", "secret-set-cookie="+strings.Repeat("c", 4000))
		w.WriteHeader(http.StatusSeeOther)
	}
	p := startCaddy(t, "http", [2]http.HandlerFunc{replica, replica})
	for range 10 {
		if response := p.send(t, http.MethodGet, "/authorize?"+query); response.StatusCode != http.StatusSeeOther ||
			response.Header.Get("Location") != location {
			t.Errorf("status %d, Location of %d bytes", response.StatusCode, len(response.Header.Get("Location")))
		}
	}
	p.stop()
	log := p.log.String()
	if strings.Contains(log, "secret-") || strings.Count(log, `"handled request"`) != 10 || changed.Load() > 0 {
		t.Errorf("%d requests were changed; the log is %s", changed.Load(), log)
	}
}

// TestProxyRepeatsOnlyAuthorize verifies that Caddy does not send a code twice when a replica dies over it.
func TestProxyRepeatsOnlyAuthorize(t *testing.T) {
	for target, want := range map[string]int{"/authorize": http.StatusOK,
		"/callback/corp?code=secret-code": http.StatusBadGateway} {
		var dying atomic.Value // the replica that gets the first request
		replica := func(_ http.ResponseWriter, r *http.Request) {
			address := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
			if dying.CompareAndSwap(nil, address) || dying.Load() == address {
				panic(http.ErrAbortHandler)
			}
		}
		p := startCaddy(t, "http", [2]http.HandlerFunc{replica, replica})
		if status := p.send(t, http.MethodGet, target).StatusCode; status != want {
			t.Errorf("%s: status %d, want %d", target, status, want)
		}
		p.stop()
		if strings.Contains(p.log.String(), "secret-") {
			t.Errorf("%s: the log has a secret: %s", target, p.log.String())
		}
	}
}

// TestProxiesDoNotRepeatCallback verifies that no proxy sends a code twice when the server dies over it, even if it has
// kept connections to the server, on which it would repeat another GET.
func TestProxiesDoNotRepeatCallback(t *testing.T) {
	var codes, others atomic.Int32
	replica := func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/callback/corp":
			codes.Add(1)
			panic(http.ErrAbortHandler)
		case "/other":
			others.Add(1)
			panic(http.ErrAbortHandler)
		}
	}
	for name, p := range map[string]*proxy{
		"Caddy": startCaddy(t, "https", [2]http.HandlerFunc{replica, replica}),
		"nginx": startNginx(t, replica),
	} {
		client := clientFrom("127.0.0.3")
		for _, target := range []string{"/first", "/second", "/callback/corp?code=secret-code", "/third", "/fourth",
			"/other"} {
			response, err := client.Get(p.origin + target)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
		if n := codes.Swap(0); n != 1 {
			t.Errorf("%s sent the code %d times", name, n)
		}
		if n := others.Swap(0); n < 2 {
			t.Errorf("%s did not keep connections: it sent another request %d times", name, n)
		}
	}
}
