package config

import (
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
)

func (b *builder) publicURL(text string) string {
	const path = "public_url"
	hint := "set the origin at which Alexa and browsers reach this server, such as https://link.example.com"
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		b.problem(path, "missing", hint)
	case err != nil || parsed.Host == "" || parsed.Hostname() == "":
		b.problem(path, "not a URL", hint)
	case !IsSecure(parsed):
		b.problem(path, "not https", hint+"; http is accepted for a loopback host only")
	case text != parsed.Scheme+"://"+parsed.Host || strings.ToLower(text) != text || strings.HasSuffix(parsed.Host, ":"):
		b.problem(path, "not an origin",
			"remove user, path, trailing slash, query and fragment, and write it in lower case")
	case parsed.Port() == map[string]string{"https": "443", "http": "80"}[parsed.Scheme]:
		b.problem(path, "names the default port of "+parsed.Scheme, "remove the port, as browsers do")
	case parsed.Scheme == "https" && parsed.Port() != "":
		b.warn(path, "has a port, but Alexa reaches port 443 only; remove the port and listen on 443")
	}
	return text
}

func (b *builder) operator(form operatorForm) server.Operator {
	parsed, err := url.Parse(form.URL)
	b.reject(len(form.Name) > maxName, "operator.name", "longer than 100 bytes", "shorten it; every page shows it")
	b.reject(form.URL != "" && (err != nil || !isURL(form.URL, parsed)), "operator.url", "not a web address",
		"set an https or http URL, such as https://www.example.com/help")
	b.reject(form.URL != "" && form.Name == "", "operator.name", "missing, though operator.url is set",
		"set the name of who runs this server")
	return server.Operator{Name: form.Name, URL: form.URL}
}

func (b *builder) limits(form limitsForm) server.Limits {
	perMinute := func(path string, n int) {
		b.reject(n < 0 || n > maxPerMinute, "limits."+path, "out of range",
			"set a number from 1 to 1000000, or 0 for no limit")
		if n == 0 {
			b.warn("limits."+path,
				"0: one address can keep the server and the provider busy; set a limit, such as 600 requests or 30 failures")
		}
	}
	perMinute("requests_per_minute", form.RequestsPerMinute)
	perMinute("failures_per_minute", form.FailuresPerMinute)
	return server.Limits{RequestsPerMinute: form.RequestsPerMinute, FailuresPerMinute: form.FailuresPerMinute}
}

const maxPerMinute = 1_000_000

// trustedProxies parses networks and single addresses.
func (b *builder) trustedProxies(texts []string, publicURL string) []netip.Prefix {
	const list = "trusted_proxies"
	var proxies []netip.Prefix
	for i, text := range texts {
		path := element(list, i)
		network, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil && address.Zone() == "" {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		switch {
		case err != nil:
			b.problem(path, "not a network or an address", `write it as in "10.0.0.0/8" or "10.1.2.3", not as a name`)
		case network.Addr().Is4In6():
			b.problem(path, "an IPv4 network in the form of IPv6", `write it as in "10.0.0.0/8"`)
		case network != network.Masked():
			b.problem(path, "an address in a network, not a network", "set the bits of the address after the prefix to 0, "+
				"or remove the prefix for this address alone")
		case network.Bits() == 0:
			b.warn(path, "every address: anyone can claim any address in X-Forwarded-For; set the networks of your proxies")
		case network.Bits() < 8:
			b.warn(path, "a large part of the internet: anyone there can claim any address in X-Forwarded-For; "+
				"set the networks of your proxies")
		}
		proxies = append(proxies, network)
	}
	if len(texts) == 0 && strings.HasPrefix(publicURL, "https:") {
		b.warn(list,
			"empty, so that the log has the address of your proxy in place of the client's, and limits per address "+
				"do not apply; set the proxy's network")
	}
	return proxies
}

// IsSecure reports whether a URL is https, or plain HTTP to this machine.
func IsSecure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (b *builder) listen(path, address string) string {
	_, port, err := net.SplitHostPort(address)
	number, portErr := strconv.Atoi(port)
	b.reject(err != nil || portErr != nil || number < 0 || number > 65535, path, "not an address to listen on",
		`set host:port or :port, such as "127.0.0.1:8081"`)
	return address
}

func (b *builder) keys(texts []string) *keys.Ring {
	if len(texts) == 0 {
		b.problem("keys", "missing", "refer to a file or a variable with the output of `alexa-oidc-bridge secret`")
		return nil
	}
	var secrets [][]byte
	for i, text := range texts {
		path := element("keys", i)
		secret, err := keys.Parse(text)
		if err != nil {
			b.problem(path, err.Error(), "set base64 of 32 bytes, as `alexa-oidc-bridge secret` prints")
			continue
		}
		b.key(path, secret)
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil
	}
	return keys.NewRing(secrets...)
}

func (b *builder) log(form logForm) Log {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, found := levels[form.Level]
	b.reject(!found, "log.level", "unknown", "use debug, info, warn or error")
	b.reject(form.Format != "json" && form.Format != "text", "log.format", "unknown", "use json or text")
	return Log{Level: level, JSON: form.Format == "json"}
}

func (b *builder) storage(form Storage) Storage {
	switch form.Driver {
	case "sqlite":
		form.DSN = b.databaseFile(form.DSN)
	case "postgres":
		b.postgresDSN(form.DSN)
	default:
		b.problem("storage.driver", "unknown", `use "sqlite" or "postgres"`)
	}
	return form
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
		b.warnExposed(path)
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
