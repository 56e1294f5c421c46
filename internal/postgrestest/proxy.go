package postgrestest

import (
	"errors"
	"net"
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
	// Refuse refuses new connections. Existing ones stay as they are, open or hung; see [Proxy.Cut].
	Refuse Mode = "refuse"
)

// Proxy is a TCP proxy that simulates network faults.
type Proxy struct {
	address, target string
	goroutines      sync.WaitGroup

	mu       sync.Mutex
	resumed  *sync.Cond // hung or closed has changed
	hung     bool
	closed   bool
	listener net.Listener      // nil: refuses connections
	conns    map[net.Conn]bool // of both sides
}

// ProxyForTest returns an open proxy to the server that is closed when the test ends.
func (s *Server) ProxyForTest(t testing.TB) *Proxy {
	t.Helper()
	return newProxy(t, s.Address)
}

// newProxy returns an open proxy to the target, a host and a port.
func newProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{address: address, target: target, conns: map[net.Conn]bool{}}
	p.resumed = sync.NewCond(&p.mu)
	if err := p.Set(Open); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// Address is where the proxy listens. It does not change.
func (p *Proxy) Address() string { return p.address }

// DSN returns the DSN of a server with the proxy's address.
func (p *Proxy) DSN(dsn string) string {
	u := mustParse(dsn)
	u.Host = p.address
	return u.String()
}

// Set changes the mode. It fails if the proxy is closed, or if its port was taken while it refused connections.
func (p *Proxy) Set(mode Mode) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errors.New("postgrestest: the proxy is closed")
	case mode == Refuse:
		p.refuse()
		return nil
	}
	p.hung = mode == Hang
	p.resumed.Broadcast()
	if p.listener == nil {
		if p.listener, err = net.Listen("tcp", p.address); err != nil {
			return err
		}
		listener := p.listener
		p.goroutines.Go(func() { p.accept(listener) })
	}
	return nil
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

// close closes the listener and all connections, and waits for the proxy's goroutines.
func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.refuse()
	p.resumed.Broadcast()
	p.mu.Unlock()
	p.Cut()
	p.goroutines.Wait()
}

func (p *Proxy) refuse() {
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		if p.add(client, func() bool { return p.listener == listener }) {
			p.goroutines.Go(func() { p.connect(client) })
		}
	}
}

// add takes a connection into conns if the condition holds, and closes it otherwise.
func (p *Proxy) add(conn net.Conn, condition func() bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !condition() {
		conn.Close()
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *Proxy) connect(client net.Conn) {
	defer p.end(client)
	p.waitWhileHung()
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil || !p.add(server, func() bool { return p.conns[client] }) {
		return
	}
	p.goroutines.Go(func() { p.forward(server, client) })
	p.forward(client, server)
}

// forward ends the connection in both directions when one ends: PostgreSQL never closes only one.
func (p *Proxy) forward(to, from net.Conn) {
	defer p.end(to, from)
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
	for p.hung && !p.closed {
		p.resumed.Wait()
	}
}

func (p *Proxy) end(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
		delete(p.conns, conn)
	}
}
