package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

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
	if form.Driver != "sqlite" {
		b.fault("storage.driver", "unknown", `write "sqlite"`)
	}
	if form.DSN == "" || strings.HasPrefix(form.DSN, ":memory:") || strings.HasPrefix(form.DSN, "file:") {
		b.fault("storage.dsn", "not the path of a file", `write a path, such as "/var/lib/alexa-oidc-bridge/bridge.db"`)
		return Storage{}
	}
	return Storage{Driver: form.Driver, DSN: b.path(form.DSN)}
}

func (b *builder) maxStaleness(d time.Duration) time.Duration {
	if d < time.Second || d > time.Hour {
		b.fault("lookup.max_staleness", "out of range", `write a duration from "1s" to "1h"`)
	}
	return d
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
