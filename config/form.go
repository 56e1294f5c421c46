package config

import "time"

// form is the configuration file. A key that is not here is a problem. Comments say what a missing key means.
type form struct {
	PublicURL    string         `yaml:"public_url"`
	Listen       string         `yaml:"listen"`
	AdminListen  string         `yaml:"admin_listen"`
	AdminTokens  []adminForm    `yaml:"admin_tokens"` // none: no admin API
	Operator     operatorForm   `yaml:"operator"`
	Proxies      []string       `yaml:"trusted_proxies"`
	Limits       limitsForm     `yaml:"limits"`
	Keys         []string       `yaml:"keys"`
	Storage      Storage        `yaml:"storage"`
	Lookup       lookupForm     `yaml:"lookup"`
	TemplatesDir string         `yaml:"templates_dir"`
	Log          logForm        `yaml:"log"`
	Retention    time.Duration  `yaml:"ended_retention"` // 0: for ever
	Audit        time.Duration  `yaml:"audit_retention"` // 0: for ever
	Providers    []providerForm `yaml:"providers"`
	Skills       []skillForm    `yaml:"skills"`
	Backends     []backendForm  `yaml:"backends"`
}

type adminForm struct {
	Name   string    `yaml:"name"`
	Secret oneOrMany `yaml:"secret"`
	May    []string  `yaml:"may"`
}

type operatorForm struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
}

type limitsForm struct {
	RequestsPerMinute int    `yaml:"requests_per_minute"` // 0: no limit
	FailuresPerMinute int    `yaml:"failures_per_minute"` // 0: no limit
	Connections       int    `yaml:"connections"`         // 0: no limit
	Memory            string `yaml:"memory"`              // auto: that of the control group
}

type lookupForm struct {
	MaxStaleness time.Duration `yaml:"max_staleness"`
	Memory       string        `yaml:"memory"`
}

type logForm struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type providerForm struct {
	ID           string        `yaml:"id"`
	Issuer       string        `yaml:"issuer"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret string        `yaml:"client_secret"`
	AuthMethod   string        `yaml:"auth_method"` // empty: chosen by discovery
	Scopes       []string      `yaml:"scopes"`      // none: openid, profile, email
	AuthParams   []string      `yaml:"auth_params"`
	DiscoveryURL string        `yaml:"discovery_url"` // empty: below the issuer
	SubjectClaim string        `yaml:"subject_claim"` // empty: sub
	EmailClaim   oneOrMany     `yaml:"email_claim"`   // none: email
	NameClaim    oneOrMany     `yaml:"name_claim"`    // none: name
	GroupsClaim  oneOrMany     `yaml:"groups_claim"`  // none: groups
	EmailTrusted bool          `yaml:"email_trusted"`
	CAFile       string        `yaml:"ca_file"`
	Timeout      time.Duration `yaml:"timeout"` // 0: 10s

	Offline       bool           `yaml:"offline"`
	RecheckAfter  *time.Duration `yaml:"recheck_after"`   // nil: 1h
	RecheckLimit  time.Duration  `yaml:"recheck_limit"`   // 0: no limit
	OnRefreshDead string         `yaml:"on_refresh_dead"` // empty: revoke

	SCIM            scimForm `yaml:"scim"`
	OnLogout        string   `yaml:"on_logout"` // empty: recheck
	UniversalLogout bool     `yaml:"universal_logout"`
}

type scimForm struct {
	Token     oneOrMany `yaml:"token"`     // none: no SCIM
	Attribute string    `yaml:"attribute"` // empty: externalId
	Claim     string    `yaml:"claim"`     // empty: sub
}

type skillForm struct {
	ClientID          string     `yaml:"client_id"`
	Name              string     `yaml:"name"`
	Provider          string     `yaml:"provider"` // empty: the only provider
	Grants            []string   `yaml:"grants"`
	ClientSecret      oneOrMany  `yaml:"client_secret"`
	RequirePKCE       bool       `yaml:"require_pkce"`
	VendorIDs         []string   `yaml:"vendor_ids"`
	RedirectURIs      []string   `yaml:"redirect_uris"`
	SkillIDs          []string   `yaml:"skill_ids"`
	Scopes            []string   `yaml:"scopes"`
	Claims            []string   `yaml:"claims"`
	Allow             allowForm  `yaml:"allow"`
	Consent           *bool      `yaml:"consent"`              // nil: true
	MaxLinksPerPerson *int       `yaml:"max_links_per_person"` // nil: 20
	TestTokens        bool       `yaml:"test_tokens"`
	Tokens            tokensForm `yaml:"tokens"`
}

type allowForm struct {
	EmailDomains []string        `yaml:"email_domains"`
	Groups       []string        `yaml:"groups"`
	Claims       []claimRuleForm `yaml:"claims"`
}

type claimRuleForm struct {
	Name  string   `yaml:"name"`
	AnyOf []string `yaml:"any_of"`
}

type tokensForm struct {
	ImplicitLifetime time.Duration  `yaml:"implicit_lifetime"` // 0: never expires
	AccessLifetime   *time.Duration `yaml:"access_lifetime"`   // nil: 1h
	RefreshLifetime  time.Duration  `yaml:"refresh_lifetime"`  // 0: never expires
	CodeLifetime     *time.Duration `yaml:"code_lifetime"`     // nil: 60s
	Refresh          string         `yaml:"refresh"`           // empty: stable
}

type backendForm struct {
	ID     string    `yaml:"id"`
	Secret oneOrMany `yaml:"secret"`
	Skills []string  `yaml:"skills"`
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
		Limits:      limitsForm{RequestsPerMinute: 600, FailuresPerMinute: 30, Connections: 4096, Memory: memoryAuto},
		Lookup:      lookupForm{MaxStaleness: 30 * time.Second, Memory: "64MiB"},
		Log:         logForm{Level: "info", Format: "json"},
		Retention:   90 * 24 * time.Hour,
		Audit:       365 * 24 * time.Hour,
	}
}

// overridable lists the keys that an environment variable BRIDGE_… overrides, such as BRIDGE_STORAGE_DSN.
func overridable() []string {
	return []string{
		"public_url", "listen", "admin_listen", "templates_dir", "storage.driver", "storage.dsn", "lookup.max_staleness",
		"lookup.memory", "ended_retention", "audit_retention",
	}
}
