package postgrestest

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Mode is how a [Proxy] treats connections.
type Mode string

const (
	// Open forwards everything, including what Hang held back.
	Open Mode = "open"
	// Hang accepts connections and keeps them, but holds back every byte sent after Set has returned, and the end of
	// a connection too.
	Hang Mode = "hang"
	// Refuse ends new connections at once. Existing ones stay as they are, open or hung; see [Proxy.Cut].
	Refuse Mode = "refuse"
)

// Proxy is a TCP proxy that simulates network faults.
type Proxy struct {
	listener net.Listener
	target   string

	mu       sync.Mutex
	resumed  *sync.Cond // hung has changed
	hung     bool
	refusing bool
	conns    map[net.Conn]bool // of both sides
}

// ProxyForTest returns an open proxy to the server that is closed when the test ends.
func (s *Server) ProxyForTest(t testing.TB) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: s.Address, conns: map[net.Conn]bool{}}
	p.resumed = sync.NewCond(&p.mu)
	go p.accept()
	t.Cleanup(func() {
		listener.Close()
		p.Set(Refuse)
		p.Cut()
		p.Set(Open) // what was held back meets closed connections
	})
	return p
}

// Address is where the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// DSN returns the DSN of a server with the proxy's address.
func (p *Proxy) DSN(dsn string) string { return strings.Replace(dsn, p.target, p.Address(), 1) }

// Set changes the mode.
func (p *Proxy) Set(mode Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = mode == Refuse
	if !p.refusing {
		p.hung = mode == Hang
		p.resumed.Broadcast()
	}
}

// Cut closes all connections. New ones are treated according to the mode.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	clear(p.conns)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.connect(client)
	}
}

func (p *Proxy) connect(client net.Conn) {
	defer p.end(client)
	if !p.add(client, func() bool { return !p.refusing }) {
		return
	}
	p.waitWhileHung()
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		return
	}
	defer p.end(server)
	if p.add(server, func() bool { return p.conns[client] }) { // otherwise Cut came first
		go p.forward(server, client)
		p.forward(client, server)
	}
}

// add takes a connection into conns if the condition holds.
func (p *Proxy) add(conn net.Conn, condition func() bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if condition() {
		p.conns[conn] = true
	}
	return p.conns[conn]
}

// forward ends the connection in both directions when one ends: PostgreSQL never closes only one.
func (p *Proxy) forward(to, from net.Conn) {
	defer p.end(to)
	defer p.end(from)
	buffer := make([]byte, 32<<10)
	for {
		n, readErr := from.Read(buffer)
		p.waitWhileHung()
		if _, err := to.Write(buffer[:n]); err != nil || readErr != nil {
			return
		}
	}
}

// waitWhileHung is called after each read, so that a byte that was sent after Set(Hang) has returned is held back.
func (p *Proxy) waitWhileHung() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hung {
		p.resumed.Wait()
	}
}

func (p *Proxy) end(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn.Close()
	delete(p.conns, conn)
}
