//go:build strict

package postgrestest

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// proxied is a proxy with its target.
type proxied struct {
	*testing.T
	*Proxy
	target net.Listener
}

func newProxied(t *testing.T) *proxied {
	t.Helper()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return &proxied{t, (&Server{Address: target.Addr().String()}).ProxyForTest(t), target}
}

// connect returns both ends of a connection.
func (p *proxied) connect() (client, server net.Conn) {
	p.Helper()
	client, err := net.Dial("tcp", p.Address())
	if err != nil {
		p.Fatal(err)
	}
	if server, err = p.target.Accept(); err != nil {
		p.Fatal(err)
	}
	return client, server
}

// want receives a text, or the end of the connection.
func (p *proxied) want(conn net.Conn, want string) {
	p.Helper()
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	got := make([]byte, max(len(want), 1))
	n, err := io.ReadFull(conn, got)
	if string(got[:n]) != want || want == "" && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		p.Errorf("received %q, %v; want %q", got[:n], err, want)
	}
}

func TestProxyHangs(t *testing.T) {
	p := newProxied(t)
	client, server := p.connect()
	io.WriteString(client, "hello")
	p.want(server, "hello")
	p.Set(Hang)
	io.WriteString(server, "last words")
	server.Close()
	// A slow machine makes this miss a fault, never report a false one.
	client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := client.Read(make([]byte, 16)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("received %d bytes, %v", n, err)
	}
	p.Set(Open)
	p.want(client, "last words")
	p.want(client, "")
}

func TestProxyRefusesAndCuts(t *testing.T) {
	p := newProxied(t)
	client, server := p.connect()
	p.Set(Refuse)
	refused, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	p.want(refused, "")
	io.WriteString(client, "hello")
	p.want(server, "hello")
	for _, mode := range []Mode{Refuse, Hang, Open} {
		p.Set(mode)
		p.Cut()
		p.want(client, "")
		p.Set(Open)
		client, _ = p.connect()
	}
}
