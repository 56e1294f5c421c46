// Package config reads the YAML configuration file and turns it into what the program runs on. It reports every
// problem at once, each with its line, its path, what is wrong and what to do, and never with the value of a secret.
// What is legal but unwise is a [Warning].
//
// The keys of the file are the types in form.go. Their values are checked in the files named after its sections.
package config

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Config is what the program runs on.
type Config struct {
	Server      server.Config
	Listen      string // the address of the public listener, as net.Listen takes it
	AdminListen string // the address of the admin listener
	Storage     Storage
	Log         Log
	Limits      Limits
}

// Limits bound what the process holds.
type Limits struct {
	Connections int   // of the public listener; 0: no limit
	Memory      int64 // of the process in bytes; 0: that of its control group
}

// Storage is the database that holds the links.
type Storage struct {
	Driver string `yaml:"driver"` // sqlite or postgres
	// DSN is for SQLite the absolute path of the file, for PostgreSQL a URL, which may contain a password.
	DSN string `yaml:"dsn"`
}

// Log is the level and the format of the log.
type Log struct {
	Level slog.Level
	JSON  bool // false: text
}

// Load reads the configuration file at path. The error is [Problems] if something in the file is wrong.
func Load(path string) (*Config, []Warning, error) {
	b, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	config := b.config(b.decode())
	if err := b.problems.err(); err != nil {
		return nil, nil, err
	}
	return config, sortedWarnings(b.warnings), nil
}

// LoadStorage reads only the storage section. Problems elsewhere do not matter to it, so that links can be revoked in
// an emergency whatever else is wrong.
func LoadStorage(path string) (Storage, error) {
	b, err := open(path)
	if err != nil {
		return Storage{}, err
	}
	b.keepOnly("storage")
	storage := b.storage(b.decode().Storage)
	return storage, b.problems.err()
}

// LoadKeys reads only the storage section and the keys.
func LoadKeys(path string) (Storage, *keys.Ring, error) {
	b, err := open(path)
	if err != nil {
		return Storage{}, nil, err
	}
	b.keepOnly("storage", "keys")
	form := b.decode()
	storage, ring := b.storage(form.Storage), b.keys(form.Keys)
	return storage, ring, b.problems.err()
}

// LoadAdminListen reads only the address of the admin listener, for the health check.
func LoadAdminListen(path string) (string, error) {
	b, err := open(path)
	if err != nil {
		return "", err
	}
	b.keepOnly("admin_listen")
	listen := b.listen("admin_listen", b.decode().AdminListen)
	return listen, b.problems.err()
}

func (b *builder) config(form form) *Config {
	config := &Config{
		Listen:      b.listen("listen", form.Listen),
		AdminListen: b.listen("admin_listen", form.AdminListen),
		Storage:     b.storage(form.Storage),
		Log:         b.log(form.Log),
		Server: server.Config{
			PublicURL:    b.publicURL(form.PublicURL),
			Keys:         b.keys(form.Keys),
			MaxStaleness: form.Lookup.MaxStaleness,
			Memory:       int(b.size("lookup.memory", form.Lookup.Memory, 1<<20)),
			Templates:    b.templates(form.TemplatesDir),
			Operator:     b.operator(form.Operator),

			EndedRetention: b.lifetime("ended_retention", form.Retention, bridge.EventMemory),
			AuditRetention: b.lifetime("audit_retention", form.Audit, bridge.EventMemory),
		},
	}
	config.Server.Limits = b.limits(form.Limits)
	config.Limits = b.processLimits(form.Limits, config.Server.Memory)
	config.Server.TrustedProxies = b.trustedProxies(form.Proxies, config.Server.PublicURL)
	b.reject(form.Lookup.MaxStaleness < time.Second || form.Lookup.MaxStaleness > time.Hour, "lookup.max_staleness",
		"out of range", `set a duration from "1s" to "1h"`)
	config.Server.Providers = b.providers(form.Providers)
	config.Server.Accounts = b.accountPolicies(form.Providers)
	config.Server.Skills = b.skills(form.Skills, config.Server.Providers)
	b.warnLoopback(form.Skills, config.Server.PublicURL)
	config.Server.Backends = b.backends(form.Backends, config.Server.Skills)
	config.Server.AdminTokens = b.adminTokens(form.AdminTokens)
	b.warnAdminListen(config.AdminListen, config.Server.AdminTokens)
	return config
}

// templates returns the directory of the pages, or nil for the embedded ones.
func (b *builder) templates(path string) fs.FS {
	if path == "" {
		return nil
	}
	directory := os.DirFS(b.absolute(path))
	if info, err := os.Stat(b.absolute(path)); err != nil || !info.IsDir() {
		b.problem("templates_dir", "no such directory",
			"set an existing directory, or remove the key for the embedded pages")
	} else if _, err := templates.New(directory, templates.Operator{}); err != nil {
		b.problem("templates_dir", err.Error(), "correct the page, or remove it for the embedded one")
	}
	return directory
}

// providerByID returns nil if there is no such provider.
func providerByID(providers []upstream.Config, id string) *upstream.Config {
	i := slices.IndexFunc(providers, func(provider upstream.Config) bool { return provider.ID == id })
	if i < 0 {
		return nil
	}
	return &providers[i]
}
