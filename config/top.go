package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"alexa-oidc-bridge/bridge/keys"
)

func (b *builder) publicURL(text string) string {
	const path = "public_url"
	cure := "write the origin by which Alexa and browsers reach this server, such as https://link.example.com"
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		b.fault(path, "missing", cure)
	case err != nil || parsed.Host == "" || parsed.Hostname() == "":
		b.fault(path, "not a URL", cure)
	case parsed.Scheme != "https" && !isLoopbackHTTP(parsed):
		b.fault(path, "not https", cure+"; http is good for a loopback host only")
	case text != parsed.Scheme+"://"+parsed.Host || strings.ToLower(text) != text || strings.HasSuffix(parsed.Host, ":"):
		b.fault(path, "more than an origin", "leave out path, slash at the end, user, query and fragment, and write it in lower case")
	case parsed.Port() == map[string]string{"https": "443", "http": "80"}[parsed.Scheme]:
		b.fault(path, "names the port that "+parsed.Scheme+" has anyway", "leave the port out, as browsers do")
	}
	return text
}

// isLoopbackHTTP says whether a URL is plain HTTP to this machine, which nobody else can listen to.
func isLoopbackHTTP(u *url.URL) bool {
	return u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (b *builder) listen(path, address string) string {
	_, port, err := net.SplitHostPort(address)
	number, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || number < 0 || number > 65535 {
		b.fault(path, "not an address to listen on", `write it as host:port or :port, such as "127.0.0.1:8081"`)
	}
	return address
}

func (b *builder) warnAdminListen(address string) {
	if host, _, err := net.SplitHostPort(address); err == nil && !isLoopback(host) {
		b.warn("admin_listen", "reaches beyond this machine; metrics and readiness are for your own machines only, so keep it behind a firewall")
	}
}

func (b *builder) keys(texts []string) *keys.Ring {
	if len(texts) == 0 {
		b.fault("keys", "missing", "run `alexa-oidc-bridge secret` and keep what it prints in a file or variable that is named here")
		return nil
	}
	var secrets [][]byte
	for i, text := range texts {
		secret, err := keys.Parse(text)
		if err != nil {
			b.fault(at("keys", i, ""), err.Error(), "a key is base64 of 32 bytes, as `alexa-oidc-bridge secret` prints it")
			continue
		}
		b.warnInline(at("keys", i, ""))
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil
	}
	return keys.NewRing(secrets...)
}

// warnInline warns of a secret that stands in the file itself.
func (b *builder) warnInline(path string) {
	if !b.expanded[path] {
		b.warn(path, "a secret stands in the configuration itself; write ${NAME} or ${file:path} in its place")
	}
}

func (b *builder) storage(form storageForm) Storage {
	switch form.Driver {
	case "sqlite":
		return Storage{Driver: form.Driver, DSN: b.databaseFile(form.DSN)}
	case "postgres":
		b.postgresDSN(form.DSN)
		return Storage(form)
	}
	b.fault("storage.driver", "unknown", `write "sqlite" or "postgres"`)
	return Storage{}
}

func (b *builder) databaseFile(dsn string) string {
	if dsn == "" || strings.HasPrefix(dsn, ":memory:") || strings.HasPrefix(dsn, "file:") || isPostgresURL(dsn) {
		b.fault("storage.dsn", "not the path of a file", `write a path, such as "/var/lib/alexa-oidc-bridge/bridge.db"`)
		return ""
	}
	return b.path(dsn)
}

func isPostgresURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// postgresDSN checks a URL without a word of it in a fault: it has a password.
func (b *builder) postgresDSN(dsn string) {
	const path = "storage.dsn"
	parsed, err := url.Parse(dsn)
	if !isPostgresURL(dsn) || err != nil {
		b.fault(path, "not the URL of a database", `write postgres://user:${NAME}@host:5432/database?sslmode=verify-full; `+
			"a password that stands in it as it is must be percent-encoded, one that comes by ${…} must not")
		return
	}
	if _, written := parsed.User.Password(); written {
		b.warnInline(path)
	}
	mode := parsed.Query().Get("sslmode")
	if mode != "verify-full" && mode != "verify-ca" && !isLocalDatabase(parsed) {
		b.warn(path, "does not make sure that it talks to the right database, encrypted; add sslmode=verify-full, and sslrootcert if it has a private authority")
	}
}

// isLocalDatabase says whether a database is reached without a network that others share.
func isLocalDatabase(dsn *url.URL) bool {
	host := dsn.Hostname()
	if host == "" {
		host = dsn.Query().Get("host")
	}
	return host == "" || strings.HasPrefix(host, "/") || isLoopback(host)
}

func (b *builder) maxStaleness(d time.Duration) time.Duration {
	if d < time.Second || d > time.Hour {
		b.fault("lookup.max_staleness", "out of range", `write a duration from "1s" to "1h"`)
	}
	return d
}

// Bounds of lookup.memory.
const (
	leastMemory = 1 << 20
	mostMemory  = 1 << 40
)

// memory reads a size such as 64MiB.
func (b *builder) memory(text string) int {
	size, err := humanize.ParseBytes(text)
	if err != nil || size < leastMemory || size > mostMemory {
		b.fault("lookup.memory", "not a size, or out of range", `write a size from "1MiB" to "1TiB"`)
		return 0
	}
	return int(size)
}

func (b *builder) log(form logForm) Log {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, known := levels[form.Level]
	if !known {
		b.fault("log.level", "unknown", "write debug, info, warn or error")
	}
	if form.Format != "json" && form.Format != "text" {
		b.fault("log.format", "unknown", "write json or text")
	}
	return Log{Level: level, JSON: form.Format == "json"}
}

// lifetime checks a lifetime that is told to others in seconds.
func (b *builder) lifetime(path string, d, least time.Duration) time.Duration {
	if d != 0 && d < least || d%time.Second != 0 {
		b.fault(path, "out of range", fmt.Sprintf("write 0s for a token that never expires, or whole seconds from %s on", least))
	}
	return d
}
