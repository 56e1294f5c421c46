package deployments_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// proxy is Caddy with the Caddyfile of the example, before two replicas that are the test's.
type proxy struct {
	*testing.T
	origin   string
	replicas [2]*replica
	sent     int // requests
	process  *exec.Cmd
	log      strings.Builder // to be read when it has stopped
	stopped  func()
}

// replica stands in for a bridge.
type replica struct {
	web    *httptest.Server
	mu     sync.Mutex
	asked  []*http.Request // but for health checks
	answer http.HandlerFunc
}

func newReplica(t *testing.T, answer http.HandlerFunc) *replica {
	r := &replica{answer: answer}
	r.web = httptest.NewServer(r)
	t.Cleanup(r.web.Close)
	return r
}

func (r *replica) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/" {
		return
	}
	r.mu.Lock()
	r.asked = append(r.asked, request)
	r.mu.Unlock()
	r.answer(w, request)
}

func (r *replica) requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// startProxy starts Caddy, with loopback addresses in the place of names and of all interfaces, and nothing else changed.
func startProxy(t *testing.T, answer http.HandlerFunc) *proxy {
	t.Helper()
	caddy, err := exec.LookPath("caddy")
	need(t, err == nil, "caddy is not installed")
	address := freeAddress(t)
	p := &proxy{T: t, origin: "http://" + address, replicas: [2]*replica{newReplica(t, answer), newReplica(t, answer)}}
	text := read(t, composeFolder, "Caddyfile")
	for old, new := range map[string]string{
		"admin off\n":   "admin off\n\tdefault_bind 127.0.0.1\n",
		"bridge-1:8080": p.replicas[0].web.Listener.Addr().String(),
		"bridge-2:8080": p.replicas[1].web.Listener.Addr().String(),
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is there %d times", old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, new, 1)
	}
	home := t.TempDir()
	write(t, text, home, "Caddyfile")
	p.process = exec.Command(caddy, "run", "--adapter", "caddyfile", "--config", filepath.Join(home, "Caddyfile"))
	p.process.Env = append(os.Environ(), "PUBLIC_URL="+p.origin, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	p.start()
	return p
}

func (p *proxy) start() {
	p.Helper()
	output, err := p.process.StderrPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		p.Fatal(err)
	}
	serving, ended := make(chan bool, 1), make(chan struct{})
	go p.follow(output, serving, ended)
	p.stopped = sync.OnceFunc(func() {
		p.process.Process.Signal(syscall.SIGTERM)
		<-ended
		p.process.Wait()
	})
	p.Cleanup(p.stopped)
	if !<-serving {
		p.Fatalf("caddy does not serve: %s", p.logged())
	}
}

// follow keeps the log. It is the only writer until ended is closed.
func (p *proxy) follow(output io.Reader, serving chan<- bool, ended chan<- struct{}) {
	defer close(ended)
	lines := bufio.NewReader(output)
	for told := false; ; {
		line, err := lines.ReadString('\n')
		p.log.WriteString(line)
		if up := strings.Contains(line, "serving initial configuration"); !told && (up || err != nil) {
			told = true
			serving <- up
		}
		if err != nil {
			return
		}
	}
}

// logged stops the proxy and returns all that it logged.
func (p *proxy) logged() string {
	p.stopped()
	return p.log.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
