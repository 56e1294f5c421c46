package postgrestest

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// Mode is what a [Proxy] does.
type Mode string

// What a proxy can do. Each says what becomes of new connections and of those that there are.
const (
	// Open lets everything through, and delivers what was held back.
	Open Mode = "open"
	// Hang is a black hole: connections are accepted and stay, and no byte that is sent after Set has returned gets
	// through; nor does the news that one side has closed. All of it is held back.
	Hang Mode = "hang"
	// Refuse refuses new connections. Those that there are stay as they are, open or hung; see [Proxy.Cut].
	Refuse Mode = "refuse"
)

// Proxy is a network between a client and a server, which can be made to fail. It begins Open.
type Proxy struct {
	address string
	target  string
	work    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	listener net.Listener  // nil: connections are refused
	flow     chan struct{} // closed while bytes may pass
	pipes    map[*pipe]struct{}
}

// NewProxy listens on a loopback port of its own and connects each client to the target, a host and a port. A client is
// disconnected when the target refuses. The caller must Close it.
func NewProxy(target string) (*Proxy, error) {
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("postgrestest: proxy: %w", err)
	}
	p := &Proxy{address: loopback(port), target: target, flow: make(chan struct{}), pipes: map[*pipe]struct{}{}}
	if err := p.Set(Open); err != nil {
		return nil, err
	}
	return p, nil
}

// Address is where the proxy listens, the same for its whole life.
func (p *Proxy) Address() string { return p.address }

// DSN turns the DSN of a server into one that goes through the proxy. It panics if the DSN is not a URL.
func (p *Proxy) DSN(dsn string) string {
	u := mustParse(dsn)
	u.Host = p.address
	return u.String()
}

// Set changes what the proxy does from now on. Only taking the port back after Refuse can fail, and a closed proxy.
func (p *Proxy) Set(mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("postgrestest: the proxy is closed")
	}
	switch mode {
	case Open:
		p.release()
		return p.listen()
	case Hang:
		p.holdBack()
		return p.listen()
	case Refuse:
		return p.refuse()
	default:
		return fmt.Errorf("postgrestest: the proxy has no mode %q", mode)
	}
}

// Cut closes all connections that there are. New ones are treated as before.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Close refuses and cuts, and waits until nothing of the proxy runs any more. Closing again changes nothing.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	err := p.refuse()
	p.cut()
	p.mu.Unlock()
	p.work.Wait()
	return err
}

func (p *Proxy) cut() {
	for connection := range p.pipes {
		p.remove(connection)
	}
}

func (p *Proxy) release() {
	if p.holds() {
		close(p.flow)
	}
}

func (p *Proxy) holdBack() {
	if !p.holds() {
		p.flow = make(chan struct{})
	}
}

func (p *Proxy) holds() bool {
	select {
	case <-p.flow:
		return false
	default:
		return true
	}
}

func (p *Proxy) listen() error {
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("postgrestest: proxy: %w", err)
	}
	p.listener = listener
	p.work.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) refuse() error {
	if p.listener == nil {
		return nil
	}
	err := p.listener.Close()
	p.listener = nil
	return err
}
