package postgrestest

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const adminUser = "postgres"

// Database makes a fresh, empty database that belongs to User and returns its DSN.
func (s *Server) Database() (string, error) {
	s.mu.Lock()
	s.databases++
	name := "test_" + strconv.Itoa(s.databases)
	s.mu.Unlock()
	// Nobody is ever connected to template0, so that databases can be made side by side.
	err := s.administer("CREATE DATABASE " + name + " OWNER " + s.User + " TEMPLATE template0")
	if err != nil {
		return "", err
	}
	return s.DSN(name), nil
}

// DSN is how User reaches a database by TCP, without TLS.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(s.User, s.Password),
		Host:     s.Address,
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SocketDSN is how User reaches a database by the unix socket.
func (s *Server) SocketDSN(database string) string {
	return s.overSocket(url.UserPassword(s.User, s.Password), database)
}

// AdminDSN is how the superuser reaches a database, by the unix socket.
func (s *Server) AdminDSN(database string) string {
	return s.overSocket(url.UserPassword(adminUser, s.adminPassword), database)
}

func (s *Server) overSocket(who *url.Userinfo, database string) string {
	query := url.Values{"host": {s.SocketFolder}, "port": {strconv.Itoa(s.port)}}
	u := url.URL{Scheme: "postgres", User: who, Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}

// VerifyFull turns a DSN into one that asks for TLS and for a certificate of this server's authority. It needs
// Config.TLS, and panics if the DSN is not a URL.
func (s *Server) VerifyFull(dsn string) string {
	u := mustParse(dsn)
	query := u.Query()
	query.Set("sslmode", "verify-full")
	query.Set("sslrootcert", s.CAFile)
	u.RawQuery = query.Encode()
	return u.String()
}

// mustParse leaves the DSN out of what it says, since a password is in it.
func mustParse(dsn string) *url.URL {
	u, err := url.Parse(dsn)
	if err != nil {
		panic("postgrestest: the DSN is not a URL")
	}
	return u
}

// Cut ends the sessions of all clients, as an administrator does, and waits until they are gone. The server goes on and
// accepts new ones.
func (s *Server) Cut() error {
	return s.administer(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
}

// administer runs one statement as the superuser, on a connection of its own so that it works however the server has been
// treated before.
func (s *Server) administer(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.AdminDSN(adminUser))
	if err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("postgrestest: %w", err)
	}
	return nil
}
