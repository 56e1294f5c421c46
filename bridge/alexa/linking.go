package alexa

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Skill is what the account linking settings of a skill depend on.
type Skill struct {
	PublicURL      string // of the authorization server
	ClientID       string
	CodeGrant      bool     // the skill uses the authorization code grant; otherwise the implicit grant
	RequirePKCE    bool     // for the authorization code grant
	RedirectURIs   []string // that the authorization server accepts, at Alexa and elsewhere
	Scopes         []string
	Hosts          []string // that a sign-in visits beside the authorization server
	AccessLifetime time.Duration
}

// Values of fields of [AccountLinking].
const (
	TypeCode     = "AUTH_CODE"
	TypeImplicit = "IMPLICIT"
	SchemeBasic  = "HTTP_BASIC"
)

// AccountLinking are the account linking settings of a skill as the Skill Management API (SMAPI) writes them. Fields
// that do not concern the authorization server are left out, such as skipOnEnablement and redirectUrls, which are
// those of apps of the skill's developer and not Alexa's redirect URIs.
type AccountLinking struct {
	Type                            string   `json:"type"`
	AuthorizationURL                string   `json:"authorizationUrl"`
	AccessTokenURL                  string   `json:"accessTokenUrl,omitempty"`
	AccessTokenScheme               string   `json:"accessTokenScheme,omitempty"`
	ClientID                        string   `json:"clientId"`
	ClientSecret                    string   `json:"clientSecret,omitempty"` // which SMAPI takes and never returns
	Scopes                          []string `json:"scopes,omitempty"`
	Domains                         []string `json:"domains,omitempty"`
	DefaultTokenExpirationInSeconds int      `json:"defaultTokenExpirationInSeconds,omitempty"`
}

// AccountLinking returns the settings without the client secret.
func (s Skill) AccountLinking() AccountLinking {
	linking := AccountLinking{
		Type:             TypeImplicit,
		AuthorizationURL: s.PublicURL + "/authorize",
		ClientID:         s.ClientID,
		Scopes:           s.Scopes,
		Domains:          s.domains(),
	}
	if s.CodeGrant {
		linking.Type, linking.AccessTokenScheme = TypeCode, SchemeBasic
		linking.AccessTokenURL = s.PublicURL + "/token"
		linking.DefaultTokenExpirationInSeconds = int(s.AccessLifetime / time.Second)
	}
	return linking
}

// domains returns the hosts of the Domain List, each once: the authorization server is the first.
func (s Skill) domains() []string {
	var domains []string
	add := func(host string) {
		if host = strings.ToLower(host); host != "" && !slices.Contains(domains, host) {
			domains = append(domains, host)
		}
	}
	if parsed, err := url.Parse(s.PublicURL); err == nil {
		add(parsed.Hostname())
	}
	for _, host := range s.Hosts {
		add(host)
	}
	return domains
}

// ConsoleField is a field of the account linking page in the developer console.
type ConsoleField struct {
	Name   string
	Values []string // none: the field stays empty
}

// Console returns the fields of the account linking page, in its order. The secret is what to show for the client
// secret, such as where it comes from. "Alexa Redirect URLs" are not entered: the page shows three of them, which
// must be among the values.
func (s Skill) Console(secret string) []ConsoleField {
	linking := s.AccountLinking()
	fields := []ConsoleField{
		{"Authorization grant type", []string{"Implicit Grant"}},
		{"Your Web Authorization URI", []string{linking.AuthorizationURL}},
	}
	if s.CodeGrant {
		fields[0].Values = []string{"Auth Code Grant"}
		fields = append(fields, ConsoleField{"Access Token URI", []string{linking.AccessTokenURL}})
	}
	fields = append(fields, ConsoleField{"Your Client ID", []string{linking.ClientID}})
	if s.CodeGrant {
		fields = append(fields,
			ConsoleField{"Your Secret", []string{secret}},
			ConsoleField{"Your Authentication Scheme", []string{"HTTP Basic"}})
	}
	if s.CodeGrant && s.RequirePKCE {
		fields = append(fields, ConsoleField{"PKCE", []string{"enabled"}})
	}
	fields = append(fields,
		ConsoleField{"Scope", linking.Scopes},
		ConsoleField{"Domain List", linking.Domains})
	if s.CodeGrant {
		seconds := strconv.Itoa(linking.DefaultTokenExpirationInSeconds)
		fields = append(fields, ConsoleField{"Default Access Token Expiration Time", []string{seconds}})
	}
	return append(fields, ConsoleField{"Alexa Redirect URLs", s.alexaRedirectURIs()})
}

// alexaRedirectURIs returns the redirect URIs at Alexa: first those of the form that Alexa uses for the grant.
func (s Skill) alexaRedirectURIs() []string {
	var usual, others []string
	for _, uri := range s.RedirectURIs {
		switch {
		case VendorID(uri) == "":
		case strings.Contains(uri, "/api/skill/link/") == s.CodeGrant:
			usual = append(usual, uri)
		default:
			others = append(others, uri)
		}
	}
	return append(usual, others...)
}
