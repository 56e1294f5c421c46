// Package config reads the YAML file and turns it into what the program runs on. It tells every fault at once, each with
// its path, what is wrong and what to do, and never a secret's value. What is legal but unwise is a [Warning].
//
// The form of the file stands in form.go, as Go types; what its values must be, in the files named after its parts.
package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Config is what the program runs on.
type Config struct {
	Server      server.Config
	Listen      string
	AdminListen string
	Storage     Storage
	Log         Log
}

// Storage says where links are kept.
type Storage struct {
	Driver string
	DSN    string // of SQLite: the path of the file, absolute; of PostgreSQL: a URL, which has a password
}

// Log says what is logged, and how.
type Log struct {
	Level slog.Level
	JSON  bool
}

// Load reads the configuration at path. Its error is [Faults] when something in the file is wrong.
func Load(path string) (*Config, []Warning, error) {
	source, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	form := source.decode()
	b := &builder{source: source, emailTrusted: map[string]bool{}}
	config := b.config(form)
	if err := source.faults.err(); err != nil {
		return nil, nil, err
	}
	return config, b.warnings, nil
}

// LoadStorage reads only where links are kept. Faults elsewhere do not matter to it, so that a link can be ended in an
// emergency whatever else is wrong.
func LoadStorage(path string) (Storage, error) {
	source, err := open(path)
	if err != nil {
		return Storage{}, err
	}
	source.keepOnly("storage")
	form := source.decode()
	b := &builder{source: source, emailTrusted: map[string]bool{}}
	storage := b.storage(form.Storage)
	return storage, source.faults.err()
}

// LoadAdminListen reads only where the admin listener is, for the health check.
func LoadAdminListen(path string) (string, error) {
	source, err := open(path)
	if err != nil {
		return "", err
	}
	source.keepOnly("admin_listen")
	form := source.decode()
	b := &builder{source: source, emailTrusted: map[string]bool{}}
	listen := b.listen("admin_listen", form.AdminListen)
	return listen, source.faults.err()
}

// builder turns the form into what the program runs on, and takes down what is wrong with it.
type builder struct {
	*source
	warnings     []Warning
	emailTrusted map[string]bool // by provider id
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
			MaxStaleness: b.maxStaleness(form.Lookup.MaxStaleness),
			Memory:       b.memory(form.Lookup.Memory),
		},
	}
	if form.TemplatesDir != "" {
		config.Server.Templates = os.DirFS(b.path(form.TemplatesDir))
		b.templates(form.TemplatesDir, config)
	}
	config.Server.Providers = b.providers(form.Providers)
	config.Server.Skills = b.skills(form.Skills, config.Server.Providers)
	config.Server.Backends = b.backends(form.Backends, config.Server.Skills)
	b.warnAdminListen(config.AdminListen)
	return config
}

func (b *builder) templates(dir string, config *Config) {
	info, err := os.Stat(b.path(dir))
	if err != nil || !info.IsDir() {
		b.fault("templates_dir", "there is no such folder", "name a folder, or leave the key out for the embedded pages")
		return
	}
	if _, err := templates.New(config.Server.Templates); err != nil {
		b.fault("templates_dir", err.Error(), "mend the page, or remove it for the embedded one")
	}
}

// path makes a path that stands in the configuration absolute: it is relative to the configuration's own folder.
func (b *builder) path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(b.dir, path)
}

// providerByID finds a provider.
func providerByID(providers []upstream.Config, id string) *upstream.Config {
	for i := range providers {
		if providers[i].ID == id {
			return &providers[i]
		}
	}
	return nil
}

func at(list string, i int, key string) string {
	path := fmt.Sprintf("%s[%d]", list, i)
	if key != "" {
		path += "." + key
	}
	return path
}
