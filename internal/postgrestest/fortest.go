package postgrestest

import (
	"errors"
	"os"
	"testing"
)

// ForTest starts a server that ends with the test, and shows the end of its log if the test fails. Where there is no
// PostgreSQL the test is skipped, or fails where BRIDGE_TEST_STRICT=1 says that every test has to run.
func ForTest(t testing.TB, config Config) *Server {
	t.Helper()
	server, err := Start(config)
	switch {
	case errors.Is(err, ErrNoPostgres) && os.Getenv("BRIDGE_TEST_STRICT") != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log of PostgreSQL:\n%s", server.Log())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// DatabaseFor is [Server.Database] for a test, which fails if there is none.
func (s *Server) DatabaseFor(t testing.TB) string {
	t.Helper()
	dsn, err := s.Database()
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// ProxyForTest is [NewProxy] to the server for a test, with which it ends.
func (s *Server) ProxyForTest(t testing.TB) *Proxy {
	t.Helper()
	proxy, err := NewProxy(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy
}
