package postgrestest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/internal/postgrestest"
)

func testProxyToPostgreSQL(t *testing.T, server *postgrestest.Server) {
	proxy := server.ProxyForTest(t)
	direct := server.DatabaseFor(t)
	for name, dsn := range map[string]string{
		"plain": proxy.DSN(direct), "verify-full": proxy.DSN(server.VerifyFull(direct)),
	} {
		t.Run(name, func(t *testing.T) {
			run(t, dsn, "SELECT 1")
			conn := connect(t, dsn)
			proxy.Cut()
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("a connection outlived the cut")
			}
			run(t, dsn, "SELECT 1")
		})
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), proxy.DSN(direct)); err == nil {
		t.Error("connected through the proxy to a stopped server")
	}
}

func TestProxyRefuses(t *testing.T) {
	proxy := newProxy(t)
	before := dial(t, proxy)
	wantEcho(t, before, "through")
	set(t, proxy, postgrestest.Refuse)
	if _, err := net.Dial("tcp", proxy.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling: %v, want refused", err)
	}
	wantEcho(t, before, "a connection from before goes on")
	set(t, proxy, postgrestest.Refuse)
	set(t, proxy, postgrestest.Open)
	wantEcho(t, dial(t, proxy), "on the same port")
}

func TestProxyCuts(t *testing.T) {
	for _, mode := range []postgrestest.Mode{postgrestest.Open, postgrestest.Hang, postgrestest.Refuse} {
		t.Run(string(mode), func(t *testing.T) {
			proxy := newProxy(t)
			conn := dial(t, proxy)
			wantEcho(t, conn, "through")
			set(t, proxy, mode)
			proxy.Cut()
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reading after a cut: %v, want closed", err)
			}
			set(t, proxy, postgrestest.Open)
			wantEcho(t, dial(t, proxy), "a new connection")
		})
	}
}

func TestProxyHangs(t *testing.T) {
	proxy := newProxy(t)
	before := dial(t, proxy)
	wantEcho(t, before, "through")
	set(t, proxy, postgrestest.Hang)
	during := dial(t, proxy)
	for _, conn := range []net.Conn{before, during} {
		send(t, conn, "held")
		wantSilence(t, conn)
	}
	set(t, proxy, postgrestest.Open)
	for _, conn := range []net.Conn{before, during} {
		wantReceived(t, conn, "held")
		wantEcho(t, conn, "through again")
	}
}

func TestProxyHoldsBackTheEnd(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	proxy := proxyTo(t, target.Addr().String())
	conn := dial(t, proxy)
	behind, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	set(t, proxy, postgrestest.Hang)
	send(t, behind, "farewell")
	behind.Close()
	wantSilence(t, conn)
	set(t, proxy, postgrestest.Open)
	if got, err := io.ReadAll(conn); err != nil || string(got) != "farewell" {
		t.Errorf("received %q, %v; want farewell and the end", got, err)
	}
}

func TestProxyCarriesMuch(t *testing.T) {
	proxy := newProxy(t)
	conn := dial(t, proxy)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go conn.Write(sent)
	received := make([]byte, len(sent))
	for at := 0; at < len(sent); at += 1 << 18 {
		set(t, proxy, postgrestest.Hang)
		set(t, proxy, postgrestest.Open)
		if _, err := io.ReadFull(conn, received[at:at+1<<18]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(received, sent) {
		t.Error("what came back differs")
	}
}

func TestClosedProxy(t *testing.T) {
	proxy := newProxy(t)
	conn := dial(t, proxy)
	set(t, proxy, postgrestest.Hang)
	send(t, conn, "held")
	for range 2 {
		if err := proxy.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := net.Dial("tcp", proxy.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling: %v, want refused", err)
	}
	if err := proxy.Set(postgrestest.Open); err == nil {
		t.Error("a closed proxy was opened")
	}
}

// newProxy is a proxy to a server that sends back what it gets.
func newProxy(t *testing.T) *postgrestest.Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn)
		}
	}()
	return proxyTo(t, listener.Addr().String())
}

func proxyTo(t *testing.T, target string) *postgrestest.Proxy {
	t.Helper()
	proxy, err := postgrestest.NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	return proxy
}

func set(t *testing.T, proxy *postgrestest.Proxy, mode postgrestest.Mode) {
	t.Helper()
	if err := proxy.Set(mode); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, proxy *postgrestest.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", proxy.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	giveUpLater(t, conn)
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func wantEcho(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	send(t, conn, text)
	wantReceived(t, conn, text)
}

func wantReceived(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Errorf("received %q, %v; want %q", got, err, text)
	}
}

// wantSilence waits a little for what must not come. A slow machine makes it miss a fault, never report a false one.
func wantSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 16)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("received %d bytes, %v; want silence", n, err)
	}
	giveUpLater(t, conn)
}

// giveUpLater makes a fault of the proxy a failure of one test instead of one that never ends.
func giveUpLater(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
}
