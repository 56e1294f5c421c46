package postgrestest

import (
	"net"
	"time"
)

// pipe is one client's connection through a [Proxy].
type pipe struct {
	client net.Conn
	server net.Conn      // nil until the target is reached
	ended  chan struct{} // closed with the connections
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		connection := &pipe{client: client, ended: make(chan struct{})}
		if p.add(connection, listener) {
			p.work.Go(func() { p.connect(connection) })
		} else {
			client.Close()
		}
	}
}

// add refuses what was accepted by a listener that has been closed in the meantime.
func (p *Proxy) add(connection *pipe, from net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != from {
		return false
	}
	p.pipes[connection] = struct{}{}
	return true
}

func (p *Proxy) connect(connection *pipe) {
	defer p.end(connection)
	if !p.pass(connection) {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		return
	}
	if !p.join(connection, server) {
		server.Close()
		return
	}
	p.work.Go(func() { p.forward(connection, connection.client, server) })
	p.forward(connection, server, connection.client)
}

func (p *Proxy) join(connection *pipe, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, lives := p.pipes[connection]; !lives {
		return false
	}
	connection.server = server
	return true
}

// forward ends the whole connection with either direction: PostgreSQL never closes only one.
func (p *Proxy) forward(connection *pipe, to, from net.Conn) {
	defer p.end(connection)
	buffer := make([]byte, 32<<10)
	for {
		n, readErr := from.Read(buffer)
		if !p.pass(connection) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil || readErr != nil {
			return
		}
	}
}

// pass waits until bytes may pass, and says whether the connection is still there to take them. A byte sent after
// Set(Hang) has returned is read, and so comes here, after it too: it cannot slip through.
func (p *Proxy) pass(connection *pipe) bool {
	p.mu.Lock()
	flow := p.flow
	p.mu.Unlock()
	select {
	case <-connection.ended:
		return false
	case <-flow:
		return true
	}
}

func (p *Proxy) end(connection *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(connection)
}

// remove needs the lock.
func (p *Proxy) remove(connection *pipe) {
	if _, lives := p.pipes[connection]; !lives {
		return
	}
	delete(p.pipes, connection)
	close(connection.ended)
	connection.client.Close()
	if connection.server != nil {
		connection.server.Close()
	}
}
