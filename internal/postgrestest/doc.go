// Package postgrestest runs a real PostgreSQL server for tests and measurements, one that the caller owns and may stop,
// kill, cut off and start again.
//
//	server, err := postgrestest.Start(postgrestest.Config{})
//	defer server.Close()
//	dsn, err := server.Database()
//
// [ForTest] and [Server.DatabaseFor] do the same inside a test. A [Proxy] stands in for the network between.
//
// The server keeps everything in a temporary folder, listens on the loopback address and on a unix socket in that folder,
// and asks for a password on both. On Linux it ends when the process that started it ends, however that one ends.
package postgrestest
