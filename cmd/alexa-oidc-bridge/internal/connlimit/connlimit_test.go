package connlimit_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/cmd/alexa-oidc-bridge/internal/connlimit"
	"alexa-oidc-bridge/internal/testbridge"
)

// web is an HTTP server with a limiter, which peers reach by listeners of their own.
type web struct {
	*testing.T
	limiter  *connlimit.Limiter
	log      *testbridge.Log
	registry *prometheus.Registry
	minutes  atomic.Int64 // that have passed
	server   *http.Server
	released chan struct{} // closed: requests of /wait are answered

	mu     sync.Mutex
	peers  map[string]net.Listener
	states map[ports]http.ConnState
	news   chan struct{} // closed when a state changes
}

// ports are those of the client and of the server, which identify a connection.
type ports struct{ client, server int }

func portOf(address net.Addr) int { return address.(*net.TCPAddr).Port }

func newWeb(t *testing.T, connections int, trusted ...netip.Prefix) *web {
	w := &web{T: t, log: &testbridge.Log{}, registry: prometheus.NewRegistry(),
		released: make(chan struct{}), peers: map[string]net.Listener{}, states: map[ports]http.ConnState{},
		news: make(chan struct{})}
	w.limiter = connlimit.New(connlimit.Config{Connections: connections, Trusted: trusted,
		Log: slog.New(slog.NewJSONHandler(w.log, nil)), Now: func() time.Time {
			return time.Unix(1_800_000_000, 0).Add(time.Duration(w.minutes.Load()) * time.Minute)
		}})
	w.registry.MustRegister(w.limiter.Collectors()...)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/wait", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-w.released:
		case <-r.Context().Done():
		}
	})
	w.server = &http.Server{Handler: mux, ConnState: w.connState, ReadHeaderTimeout: time.Minute}
	t.Cleanup(func() { w.server.Close() })
	return w
}

// connState notes what the limiter knows by now.
func (w *web) connState(conn net.Conn, state http.ConnState) {
	w.limiter.ConnState(conn, state)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[ports{portOf(conn.RemoteAddr()), portOf(conn.LocalAddr())}] = state
	close(w.news)
	w.news = make(chan struct{})
}

// await waits until the limiter knows a state of a connection.
func (w *web) await(c *client, state http.ConnState) {
	w.Helper()
	for {
		w.mu.Lock()
		now, found := w.states[c.ports]
		news := w.news
		w.mu.Unlock()
		if found && now == state {
			return
		}
		select {
		case <-news:
		case <-w.Context().Done():
			w.Fatalf("the connection is %v, want %v", now, state)
		}
	}
}

// listenerOf lets all its connections come from one address.
type listenerOf struct {
	net.Listener
	peer net.IP
}

type connOf struct {
	net.Conn
	peer net.TCPAddr
}

func (c connOf) RemoteAddr() net.Addr { return &c.peer }

func (l listenerOf) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connOf{conn, net.TCPAddr{IP: l.peer, Port: portOf(conn.RemoteAddr())}}, nil
}

// client is a connection from the side of the client.
type client struct {
	*web
	net.Conn
	reader *bufio.Reader
	ports  ports
}

// dial opens a connection from an address.
func (w *web) dial(peer string) *client {
	w.Helper()
	w.mu.Lock()
	listener, found := w.peers[peer]
	if !found {
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			w.Fatal(err)
		}
		w.peers[peer] = listener
		go w.server.Serve(listenerOf{listener, net.ParseIP(peer)})
	}
	w.mu.Unlock()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute)) // so that a mistake fails the test
	return &client{w, conn, bufio.NewReader(conn), ports{portOf(conn.LocalAddr()), portOf(conn.RemoteAddr())}}
}

// fresh returns a connection that has sent a part of a header.
func (w *web) fresh(peer string) *client {
	w.Helper()
	c := w.dial(peer)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	w.await(c, http.StateNew)
	return c
}

// idle returns a connection that has had its response.
func (w *web) idle(peer string) *client {
	w.Helper()
	c := w.dial(peer)
	if !c.request() {
		w.Fatal("a connection was closed before its first response")
	}
	return c
}

// busy returns a connection with a request that is not answered.
func (w *web) busy(peer string) *client {
	w.Helper()
	c := w.dial(peer)
	fmt.Fprint(c, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	w.await(c, http.StateActive)
	return c
}

// request reports whether a request is answered, and waits until the connection is idle then.
func (c *client) request() bool {
	c.mu.Lock()
	delete(c.states, c.ports)
	c.mu.Unlock()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return false
	}
	response.Body.Close()
	c.await(c, http.StateIdle)
	return true
}

// wantClosed verifies that the server closes the connection.
func (c *client) wantClosed(name string) {
	c.Helper()
	if n, err := c.reader.ReadByte(); err == nil {
		c.Errorf("%s is not closed, but got %q", name, n)
	}
}

// wantOpen verifies that the server answers.
func (c *client) wantOpen(name string) {
	c.Helper()
	if !c.request() {
		c.Errorf("%s is closed", name)
	}
}

// TestShare opens more connections from one peer than it may have.
func TestShare(t *testing.T) {
	const stranger = "198.51.100.1"
	w := newWeb(t, 16)
	other := w.idle("203.0.113.1")
	slow, first, second, served := w.fresh(stranger), w.idle(stranger), w.idle(stranger), w.busy(stranger)
	w.busy(stranger)
	first.wantClosed("the oldest idle connection")
	w.busy(stranger)
	second.wantClosed("the other idle connection")
	w.busy(stranger)
	slow.wantClosed("the connection that has sent no header")
	w.dial(stranger).wantClosed("a connection of a peer whose others are busy")
	if !w.idle("198.51.100.2").request() {
		t.Error("another peer is shut out")
	}
	other.wantOpen("a connection of another peer")
	close(w.released)
	if _, err := http.ReadResponse(served.reader, nil); err != nil {
		t.Errorf("a request that was served: %v", err)
	}
	want := map[string]float64{"idle": 2, "no_request": 1, "full": 1, "": 6}
	if got := w.metrics(); !maps.Equal(got, want) {
		t.Errorf("metrics %v, want %v", got, want)
	}
}

// metrics returns the connections that were closed by reason, and those that are open.
func (w *web) metrics() map[string]float64 {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.Metric {
			if family.GetName() == "bridge_connections" {
				values[""] = metric.Gauge.GetValue()
			}
			for _, label := range metric.Label {
				values[label.GetValue()] = metric.Counter.GetValue()
			}
		}
	}
	return values
}

// TestTotal opens more connections in all than there may be.
func TestTotal(t *testing.T) {
	w := newWeb(t, 16, netip.MustParsePrefix("10.0.0.0/8"))
	oldest := w.idle("203.0.113.1")
	var proxied []*client
	for range 12 { // a trusted proxy has no share
		proxied = append(proxied, w.idle("10.1.1.1"))
	}
	many := []*client{w.idle("198.51.100.1"), w.idle("198.51.100.1"), w.idle("198.51.100.1")}
	w.fresh("198.51.100.1")
	many[0].wantClosed("a connection of the peer that has more than others")
	oldest.wantOpen("the oldest connection, of a peer with no other")
	w.fresh("203.0.113.2")
	proxied[0].wantClosed("the connection that is idle for longest")
	oldest.wantOpen("a connection that was used meanwhile")
	w.fresh("10.1.1.2")
	proxied[1].wantClosed("the connection that is idle for longest then")
	if got := w.limiter.Count(); got != 16 {
		t.Errorf("%d connections, want 16", got)
	}
}

// TestNetworks verifies what counts as one peer.
func TestNetworks(t *testing.T) {
	tests := map[string][]string{
		"one":     {"2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::3", "2001:db8:1:2::1", "2001:db8:1:2::5"},
		"several": {"2001:db8:1:3::1", "2001:db8:1:4::1", "2001:db8:1:5::1", "2001:db8:1:6::1", "2001:db8:1:7::1"},
		"trusted": {"2001:db8:f::1", "2001:db8:f::1", "2001:db8:f::1", "2001:db8:f::1", "2001:db8:f::1"},
	}
	for name, peers := range tests {
		w := newWeb(t, 16, netip.MustParsePrefix("2001:db8:f::/48"))
		first := w.idle(peers[0])
		for _, peer := range peers[1:] {
			w.idle(peer)
		}
		if open := first.request(); open != (name != "one") {
			t.Errorf("%s: after five connections, the first is open: %v", name, open)
		}
	}
}

// TestFlood opens hundreds of connections from one peer at once.
func TestFlood(t *testing.T) {
	w := newWeb(t, 64)
	honest := w.idle("203.0.113.1")
	clients := make(chan *client, 1000)
	var flood sync.WaitGroup
	for range 8 {
		flood.Go(func() {
			for i := range 50 {
				c := w.dial("198.51.100.1")
				if i%2 == 0 {
					fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				}
				clients <- c
			}
		})
	}
	for range 50 {
		honest.wantOpen("a connection of another peer")
		clients <- w.idle("203.0.113.2")
		if got := w.limiter.Count(); got > 1+16+16 {
			t.Errorf("%d connections of three peers, want at most 33", got)
		}
	}
	flood.Wait()
	clients <- honest
	close(clients)
	for c := range clients {
		c.Close()
		w.await(c, http.StateClosed)
	}
	if got := w.limiter.Count(); got != 0 {
		t.Errorf("%d connections when all are closed", got)
	}
}

// TestWarning verifies that floods leave a line a minute.
func TestWarning(t *testing.T) {
	w := newWeb(t, 16)
	for range 10 {
		w.idle("198.51.100.1")
	}
	lines := func() []string { return strings.Split(strings.TrimSpace(w.log.String()), "\n") }
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], `"level":"WARN"`) ||
		!strings.Contains(got[0], `"connections":4,"closed_since_last":0,"peer":"198.51.100.1"`) {
		t.Errorf("log %q", got)
	}
	w.minutes.Add(1)
	w.idle("198.51.100.1")
	if got := lines(); len(got) != 2 || !strings.Contains(got[1], `"closed_since_last":6`) {
		t.Errorf("log %q", got)
	}
	w.minutes.Add(1)
	for i := range 13 {
		w.idle(fmt.Sprintf("203.0.113.%d", i))
	}
	if got := lines(); len(got) != 3 || !strings.Contains(got[2], `"connections":16`) || strings.Contains(got[2], "peer") {
		t.Errorf("log %q", got)
	}
}

// TestNoLimit counts only.
func TestNoLimit(t *testing.T) {
	w := newWeb(t, 0)
	first := w.idle("198.51.100.1")
	for range 40 {
		w.idle("198.51.100.1")
	}
	first.wantOpen("a connection without a limit")
	if got := w.limiter.Count(); got != 41 {
		t.Errorf("%d connections, want 41", got)
	}
}
