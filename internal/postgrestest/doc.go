// Package postgrestest starts PostgreSQL servers for tests and benchmarks.
//
//	server := postgrestest.ForTest(t, postgrestest.Config{})
//	dsn := server.DatabaseFor(t)
//
// The caller may stop, kill and restart its server, and may put a [Proxy] between itself and the server.
//
// A server has a temporary folder, listens on a loopback port and requires a password. When the process that started it
// exits, even by SIGKILL, the server is stopped and its folder removed.
package postgrestest
