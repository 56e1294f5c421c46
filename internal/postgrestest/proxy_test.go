package postgrestest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"alexa-oidc-bridge/internal/postgrestest"
)

// TestProxy holds each mode to what it promises for a connection from before, for a new one, and for the end of one.
func TestProxy(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	proxy, err := postgrestest.NewProxy(target.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	connect := func() (client, server net.Conn) {
		t.Helper()
		client, err := net.Dial("tcp", proxy.Address())
		if err != nil {
			t.Fatal(err)
		}
		if server, err = target.Accept(); err != nil {
			t.Fatal(err)
		}
		return client, server
	}
	set := func(mode postgrestest.Mode) {
		t.Helper()
		if err := proxy.Set(mode); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(conn net.Conn, wait time.Duration) (string, error) {
		conn.SetReadDeadline(time.Now().Add(wait))
		buffer := make([]byte, 16)
		n, err := conn.Read(buffer)
		return string(buffer[:n]), err
	}
	want := func(conn net.Conn, want string) {
		t.Helper()
		if got, err := receive(conn, time.Minute); got != want {
			t.Errorf("received %q, %v; want %q", got, err, want)
		}
	}

	client, server := connect()
	io.WriteString(client, "hello")
	want(server, "hello")
	set(postgrestest.Hang)
	io.WriteString(server, "last words")
	server.Close()
	// A slow machine makes this miss a fault, never report a false one.
	if got, err := receive(client, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Hang: received %q, %v", got, err)
	}
	set(postgrestest.Open)
	want(client, "last words")
	if _, err := receive(client, time.Minute); !errors.Is(err, io.EOF) {
		t.Errorf("after Hang: %v, want the end of the connection", err)
	}

	client, server = connect()
	set(postgrestest.Refuse)
	if _, err := net.Dial("tcp", proxy.Address()); err == nil {
		t.Error("Refuse: a new connection was accepted")
	}
	io.WriteString(client, "hello")
	want(server, "hello")
	for _, mode := range []postgrestest.Mode{postgrestest.Refuse, postgrestest.Hang, postgrestest.Open} {
		set(mode)
		proxy.Cut()
		if _, err := receive(client, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection survived Cut: %v", mode, err)
		}
		set(postgrestest.Open)
		client, server = connect()
	}
	proxy.Close()
	if _, err := receive(server, time.Minute); !errors.Is(err, io.EOF) {
		t.Errorf("Close: %v, want the end of the connection", err)
	}
	if err := proxy.Set(postgrestest.Open); err == nil {
		t.Error("a closed proxy was opened")
	}
}
