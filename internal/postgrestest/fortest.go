package postgrestest

import (
	"errors"
	"os"
	"testing"
)

// ForTest starts a server that is closed when the test ends, and logs the end of the server's log if the test fails.
// Without PostgreSQL it skips the test, or fails it if BRIDGE_TEST_STRICT=1 is set.
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
			t.Logf("end of the PostgreSQL log:\n%s", server.Log())
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// DatabaseFor is [Server.Database] for a test.
func (s *Server) DatabaseFor(t testing.TB) string {
	t.Helper()
	dsn, err := s.Database()
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// ProxyForTest returns an open proxy to the server that is closed when the test ends.
func (s *Server) ProxyForTest(t testing.TB) *Proxy {
	t.Helper()
	proxy, err := NewProxy(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	return proxy
}
