package config

import (
	"net/url"
	"strings"
)

func (b *builder) storage(form storageForm) Storage {
	switch form.Driver {
	case "sqlite":
		return Storage{Driver: form.Driver, DSN: b.databaseFile(form.DSN)}
	case "postgres":
		b.postgresDSN(form.DSN)
		return Storage(form)
	}
	b.problem("storage.driver", "unknown", `use "sqlite" or "postgres"`)
	return Storage{}
}

func (b *builder) databaseFile(dsn string) string {
	if dsn == "" || strings.HasPrefix(dsn, ":memory:") || strings.HasPrefix(dsn, "file:") || isPostgresURL(dsn) {
		b.problem("storage.dsn", "not the path of a file", `set a path, such as "/var/lib/alexa-oidc-bridge/bridge.db"`)
		return ""
	}
	return b.absolute(dsn)
}

func isPostgresURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// postgresDSN checks the URL of a database. It never reports a part of it, which may be the password.
func (b *builder) postgresDSN(dsn string) {
	const path = "storage.dsn"
	parsed, err := url.Parse(dsn)
	if !isPostgresURL(dsn) || err != nil {
		b.problem(path, "not the URL of a database", "set postgres://user:${NAME}@host:5432/database?sslmode=verify-full; "+
			"percent-encode a password that is written in the URL, but not one that is inserted by ${…}")
		return
	}
	if _, written := parsed.User.Password(); written {
		b.warnInline(path)
	}
	mode := parsed.Query().Get("sslmode")
	if mode != "verify-full" && mode != "verify-ca" && !isLocalDatabase(parsed) {
		b.warn(path, "the connection is not encrypted, or the server's certificate is not verified; "+
			"add sslmode=verify-full, and sslrootcert for a private certificate authority")
	}
}

// isLocalDatabase reports whether a database is on this machine.
func isLocalDatabase(dsn *url.URL) bool {
	host := dsn.Hostname()
	if host == "" {
		host = dsn.Query().Get("host")
	}
	return host == "" || strings.HasPrefix(host, "/") || isLoopback(host)
}
