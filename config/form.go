package config

import "time"

// form is the configuration file. A key that is not here is a problem. Comments say what a missing key means.
type form struct {
	PublicURL    string         `mapstructure:"public_url"`
	Listen       string         `mapstructure:"listen"`
	AdminListen  string         `mapstructure:"admin_listen"`
	Keys         []string       `mapstructure:"keys"`
	Storage      Storage        `mapstructure:"storage"`
	Lookup       lookupForm     `mapstructure:"lookup"`
	TemplatesDir string         `mapstructure:"templates_dir"`
	Log          logForm        `mapstructure:"log"`
	Providers    []providerForm `mapstructure:"providers"`
	Skills       []skillForm    `mapstructure:"skills"`
	Backends     []backendForm  `mapstructure:"backends"`
}

type lookupForm struct {
	MaxStaleness time.Duration `mapstructure:"max_staleness"`
	Memory       string        `mapstructure:"memory"`
}

type logForm struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

type providerForm struct {
	ID           string        `mapstructure:"id"`
	Issuer       string        `mapstructure:"issuer"`
	ClientID     string        `mapstructure:"client_id"`
	ClientSecret string        `mapstructure:"client_secret"`
	AuthMethod   string        `mapstructure:"auth_method"` // empty: chosen by discovery
	Scopes       []string      `mapstructure:"scopes"`      // none: openid, profile, email
	AuthParams   []string      `mapstructure:"auth_params"`
	SubjectClaim string        `mapstructure:"subject_claim"` // empty: sub
	GroupsClaim  oneOrMany     `mapstructure:"groups_claim"`  // none: groups
	EmailTrusted bool          `mapstructure:"email_trusted"`
	CAFile       string        `mapstructure:"ca_file"`
	Timeout      time.Duration `mapstructure:"timeout"` // 0: 10s
}

type skillForm struct {
	ClientID          string     `mapstructure:"client_id"`
	Name              string     `mapstructure:"name"`
	Provider          string     `mapstructure:"provider"` // empty: the only provider
	Grants            []string   `mapstructure:"grants"`
	ClientSecret      oneOrMany  `mapstructure:"client_secret"`
	RequirePKCE       bool       `mapstructure:"require_pkce"`
	VendorIDs         []string   `mapstructure:"vendor_ids"`
	RedirectURIs      []string   `mapstructure:"redirect_uris"`
	Scopes            []string   `mapstructure:"scopes"`
	Claims            []string   `mapstructure:"claims"`
	Allow             allowForm  `mapstructure:"allow"`
	Consent           *bool      `mapstructure:"consent"` // nil: true
	MaxLinksPerPerson int        `mapstructure:"max_links_per_person"`
	Tokens            tokensForm `mapstructure:"tokens"`
}

type allowForm struct {
	EmailDomains []string        `mapstructure:"email_domains"`
	Groups       []string        `mapstructure:"groups"`
	Claims       []claimRuleForm `mapstructure:"claims"`
}

type claimRuleForm struct {
	Name  string   `mapstructure:"name"`
	AnyOf []string `mapstructure:"any_of"`
}

type tokensForm struct {
	ImplicitLifetime time.Duration  `mapstructure:"implicit_lifetime"` // 0: never expires
	AccessLifetime   *time.Duration `mapstructure:"access_lifetime"`   // nil: 1h
	RefreshLifetime  time.Duration  `mapstructure:"refresh_lifetime"`  // 0: never expires
	CodeLifetime     *time.Duration `mapstructure:"code_lifetime"`     // nil: 60s
	Refresh          string         `mapstructure:"refresh"`           // empty: stable
}

type backendForm struct {
	ID     string    `mapstructure:"id"`
	Secret oneOrMany `mapstructure:"secret"`
	Skills []string  `mapstructure:"skills"`
}

// oneOrMany is written as one string or as a list of strings.
type oneOrMany []string

// defaults returns the form before the file is decoded into it. Elements of lists get their defaults where they are
// checked.
func defaults() form {
	return form{
		Listen:      ":8080",
		AdminListen: "127.0.0.1:8081",
		Storage:     Storage{Driver: "sqlite", DSN: "bridge.db"},
		Lookup:      lookupForm{MaxStaleness: 30 * time.Second, Memory: "64MiB"},
		Log:         logForm{Level: "info", Format: "json"},
	}
}

// overridable lists the keys that an environment variable BRIDGE_… overrides, such as BRIDGE_STORAGE_DSN.
func overridable() []string {
	return []string{
		"public_url", "listen", "admin_listen", "templates_dir", "storage.driver", "storage.dsn", "lookup.max_staleness",
		"lookup.memory",
	}
}
