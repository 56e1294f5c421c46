package deployments_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	longState = 1500 // what the bridge takes of Alexa
	cookie    = 4000 // each of the two that the bridge sets
)

// ask sends what a browser sends, with secrets wherever a browser has some, and returns the status.
func (p *proxy) ask(method, target string, header http.Header) *http.Response {
	p.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("code=secret-body")
	}
	request, err := http.NewRequestWithContext(p.Context(), method, p.origin+target, body)
	if err != nil {
		p.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		p.Fatal(err)
	}
	response.Body.Close()
	p.sent++
	return response
}

func (p *proxy) wantStatus(method, target string, want int) {
	p.Helper()
	if got := p.ask(method, target, http.Header{}).StatusCode; got != want {
		p.Errorf("%s %s: status %d, want %d", method, target, got, want)
	}
}

// browserHeader is the longest that a browser brings, and what it must not leave in a log.
func browserHeader() http.Header {
	return http.Header{
		"Cookie":        {"a=" + strings.Repeat("a", cookie) + "; b=secret-cookie" + strings.Repeat("b", cookie)},
		"Referer":       {"https://link.example.com/callback/corp?code=secret-referer"},
		"Authorization": {"Basic secret-authorization"},
	}
}

func TestProxyPassesLongHeaders(t *testing.T) {
	location := "https://pitangui.amazon.com/#access_token=secret-token&state=secret-state" + strings.Repeat("s", 3000)
	p := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", location)
		w.Header().Set("Set-Cookie", "secret-set-cookie="+strings.Repeat("c", cookie))
		w.WriteHeader(http.StatusSeeOther)
	})
	query := "state=" + url.QueryEscape("secret-state +/=&#") + strings.Repeat("s", longState) + "&code=secret-code&x=%2f%2F+"
	for range 10 {
		response := p.ask(http.MethodGet, "/authorize?"+query, browserHeader())
		if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != location {
			t.Fatalf("status %d, Location of %d bytes", response.StatusCode, len(response.Header.Get("Location")))
		}
	}
	p.wantStatus(http.MethodPost, "/token?code=secret-code", http.StatusSeeOther)
	for i, replica := range p.replicas {
		if len(replica.requests()) < 3 {
			t.Errorf("replica %d was asked %d times of 11", i, len(replica.requests()))
		}
		for _, request := range replica.requests() {
			if request.URL.Path == "/authorize" && (request.URL.RawQuery != query || request.Header.Get("Cookie") != browserHeader().Get("Cookie")) {
				t.Errorf("not the same: %s", request.URL.RawQuery)
			}
		}
	}
	p.wantQuietLog()
}

// wantQuietLog stops the proxy and looks into its log, which has every request and nothing that is secret.
func (p *proxy) wantQuietLog() {
	p.Helper()
	log := p.logged()
	if strings.Contains(log, "secret-") {
		p.Errorf("the log has a secret: %s", log)
	}
	if got := strings.Count(log, `"handled request"`); got != p.sent {
		p.Errorf("the access log has %d requests, want %d", got, p.sent)
	}
}

func TestProxyPassesOverADeadReplica(t *testing.T) {
	p := startProxy(t, func(http.ResponseWriter, *http.Request) {})
	p.replicas[0].web.Close()
	for range 4 {
		p.wantStatus(http.MethodGet, "/callback/corp?code=secret-code", http.StatusOK)
	}
	p.awaitPosts()
	for range 4 {
		p.wantStatus(http.MethodPost, "/token", http.StatusOK)
	}
	p.wantQuietLog()
}

// awaitPosts waits until two requests in a row have been answered, which are one for each replica. An older Caddy cannot send
// a body again, and fails until a health check has found out that a replica is dead.
func (p *proxy) awaitPosts() {
	p.Helper()
	giveUp := time.Now().Add(30 * time.Second)
	for good := 0; good < 2; good++ {
		if p.ask(http.MethodPost, "/token", http.Header{}).StatusCode != http.StatusOK {
			good = -1
		}
		if time.Now().After(giveUp) {
			p.Fatal("a replica that is dead is asked again and again")
		}
	}
}

func TestProxyWithoutReplicas(t *testing.T) {
	p := startProxy(t, func(http.ResponseWriter, *http.Request) {})
	p.replicas[0].web.Close()
	p.replicas[1].web.Close()
	response := p.ask(http.MethodGet, "/callback/corp?code=secret-code", browserHeader())
	if response.StatusCode < 502 {
		t.Errorf("status %d", response.StatusCode)
	}
	p.wantQuietLog()
}

// A replica that dies over a request may have done what it was asked for.
func TestProxyRepeatsOnlyWhatCanBeRepeated(t *testing.T) {
	for target, want := range map[string]int{"/authorize": http.StatusOK, "/callback/corp?code=secret-code": http.StatusBadGateway} {
		t.Run(target, func(t *testing.T) {
			var dying atomic.Value // the replica that was asked first
			p := startProxy(t, func(_ http.ResponseWriter, r *http.Request) {
				asked := r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()
				if dying.CompareAndSwap(nil, asked) || dying.Load() == asked {
					panic(http.ErrAbortHandler)
				}
			})
			p.wantStatus(http.MethodGet, target, want)
			first, second := len(p.replicas[0].requests()) > 0, len(p.replicas[1].requests()) > 0
			if both := first && second; both != (want == http.StatusOK) {
				t.Errorf("both were asked: %t", both)
			}
			p.wantQuietLog()
		})
	}
}

func TestCaddyfileIsValid(t *testing.T) {
	caddy, err := exec.LookPath("caddy")
	need(t, err == nil, "caddy is not installed")
	for _, origin := range []string{"https://link.example.com", "http://localhost"} {
		home := t.TempDir()
		validate := exec.Command(caddy, "validate", "--adapter", "caddyfile", "--config", filepath.Join(composeFolder, "Caddyfile"))
		validate.Env = append(os.Environ(), "PUBLIC_URL="+origin, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
		if output, err := validate.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", origin, err, output)
		}
	}
}
