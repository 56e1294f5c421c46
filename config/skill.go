package config

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	// maxRedirectURI keeps the authorization request small enough for a cookie.
	maxRedirectURI = 255
	// maxScopes is the most that Alexa sends.
	maxScopes = 15
	// minAlexaLifetime is the shortest access token lifetime that Alexa works with.
	minAlexaLifetime = 6 * time.Minute
)

var (
	clientIDPattern    = regexp.MustCompile(`^[!-~]{1,128}$`)
	redirectURIPattern = regexp.MustCompile(`^[!-~]+$`)
	domainPattern      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	scopePattern       = regexp.MustCompile(`^[!#-\[\]-~]{1,64}$`) // scope-token of RFC 6749 §3.3
)

func (b *builder) skills(forms []skillForm, providers []upstream.Config) []*bridge.Skill {
	b.reject(len(forms) == 0, "skills", "missing", "add the Alexa skill that people link")
	var skills []*bridge.Skill
	for i, form := range forms {
		key := func(name string) string { return member(element("skills", i), name) }
		b.reject(!clientIDPattern.MatchString(form.ClientID), key("client_id"), "not a client id",
			"set the Client ID of the skill's account linking settings: 1 to 128 printable ASCII characters without spaces")
		b.reject(skillByID(skills, form.ClientID) != nil, key("client_id"), "not unique",
			"give each skill a different client id")
		b.reject(form.Name == "" || len(form.Name) > 100, key("name"), "missing, or longer than 100 bytes",
			"set the name of the skill for the consent page")
		skill := &bridge.Skill{
			ClientID:          form.ClientID,
			Name:              form.Name,
			Provider:          b.skillProvider(key("provider"), form.Provider, providers),
			Grants:            b.grants(key("grants"), form.Grants),
			RedirectURIs:      b.redirectURIs(key, form),
			Scopes:            b.scopes(key("scopes"), form.Scopes),
			Claims:            b.claims(key("claims"), form.Claims),
			Consent:           form.Consent == nil || *form.Consent,
			MaxLinksPerPerson: form.MaxLinksPerPerson,
			ImplicitLifetime:  b.lifetime(key("tokens.implicit_lifetime"), form.Tokens.ImplicitLifetime, minAlexaLifetime),
		}
		b.codeGrant(key, form, skill)
		skill.Allow = b.allow(key, form.Allow)
		skill.Allow.EmailTrusted = b.emailTrusted[skill.Provider]
		b.reject(form.MaxLinksPerPerson < 0, key("max_links_per_person"), "less than 0", "set 0 for no limit")
		b.requestSize(element("skills", i), skill)
		b.warnSkill(key, skill, providerByID(providers, skill.Provider))
		skills = append(skills, skill)
	}
	return skills
}

func (b *builder) skillProvider(path, id string, providers []upstream.Config) string {
	const hint = "set the id of one of the providers"
	switch {
	case id == "" && len(providers) == 1:
		return providers[0].ID
	case id == "":
		b.problem(path, "missing", hint)
	case providerByID(providers, id) == nil:
		b.problem(path, "no provider has this id", hint)
	}
	return id
}

func (b *builder) grants(path string, names []string) []bridge.Grant {
	b.reject(len(names) == 0, path, "missing",
		"set [authorization_code] for any skill, or [implicit] for a custom skill")
	var grants []bridge.Grant
	for i, name := range names {
		switch {
		case name != string(bridge.GrantImplicit) && name != string(bridge.GrantAuthorizationCode):
			b.problem(element(path, i), "not supported", "use implicit or authorization_code")
		case slices.Contains(grants, bridge.Grant(name)):
			b.problem(element(path, i), "listed twice", "remove one of the two")
		}
		grants = append(grants, bridge.Grant(name))
	}
	return grants
}

func (b *builder) redirectURIs(key func(string) string, form skillForm) []string {
	var uris []string
	add := func(path string, more ...string) {
		for _, uri := range more {
			b.reject(slices.Contains(uris, uri), path, "listed twice", "remove one of the two")
			uris = append(uris, uri)
		}
	}
	for i, id := range form.VendorIDs {
		path := element(key("vendor_ids"), i)
		if err := alexa.CheckVendorID(id); err != nil {
			b.problem(path, err.Error(), `copy the last part of an "Alexa Redirect URL" in the developer console`)
			continue
		}
		add(path, alexa.RedirectURIs(id)...)
	}
	for i, uri := range form.RedirectURIs {
		path := element(key("redirect_uris"), i)
		b.redirectURI(path, uri)
		add(path, uri)
	}
	b.reject(len(form.VendorIDs)+len(form.RedirectURIs) == 0, key("vendor_ids"), "missing",
		`set the last part of an "Alexa Redirect URL" in the developer console; it is the same for all regions`)
	return uris
}

func (b *builder) redirectURI(path, uri string) {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil || !redirectURIPattern.MatchString(uri) || parsed.Host == "" || parsed.User != nil:
		b.problem(path, "not an absolute URI", "set it exactly as authorization requests contain it")
	case strings.Contains(uri, "#"):
		b.problem(path, "has a fragment", "remove the fragment (RFC 6749, section 3.1.2)")
	case !isSecure(parsed):
		b.problem(path, "not https", "set an https URI; http is accepted for a loopback host only")
	case len(uri) > maxRedirectURI:
		b.problem(path, "longer than 255 bytes", "use a shorter URI")
	}
}

func (b *builder) scopes(path string, scopes []string) []string {
	b.reject(len(scopes) > maxScopes, path, "more than 15", "remove some; Alexa sends at most 15 scopes")
	for i, scope := range scopes {
		b.reject(!scopePattern.MatchString(scope) || slices.Contains(scopes[:i], scope), element(path, i),
			"not a scope, or listed twice", `use 1 to 64 printable ASCII characters without spaces, " and \`)
	}
	return scopes
}

func (b *builder) claims(path string, claims []string) []string {
	for i, claim := range claims {
		b.reject(claim == "" || len(claim) > 100 || slices.Contains(claims[:i], claim), element(path, i),
			"empty, too long, or listed twice", "set the name of a claim, such as email")
	}
	return claims
}

// codeGrant sets what the authorization code grant needs.
func (b *builder) codeGrant(key func(string) string, form skillForm, skill *bridge.Skill) {
	if len(form.ClientSecret) > 0 {
		skill.Secrets = b.secrets(key("client_secret"), form.ClientSecret)
	} else if skill.HasGrant(bridge.GrantAuthorizationCode) {
		b.problem(key("client_secret"), "missing",
			"set the secret of the skill's account linking settings, 32 to 256 characters")
	}
	skill.RequirePKCE = form.RequirePKCE
	tokens := form.Tokens
	access, code := cmp.Or(tokens.AccessLifetime, new(time.Hour)), cmp.Or(tokens.CodeLifetime, new(time.Minute))
	skill.AccessLifetime = b.lifetimeBetween(key("tokens.access_lifetime"), *access, minAlexaLifetime, 24*time.Hour)
	skill.CodeLifetime = b.lifetimeBetween(key("tokens.code_lifetime"), *code, 10*time.Second, 10*time.Minute)
	skill.RefreshLifetime = b.lifetime(key("tokens.refresh_lifetime"), tokens.RefreshLifetime, 24*time.Hour)
	switch tokens.Refresh {
	case "", "stable":
	case "rotate":
		skill.RotateRefresh = true
	default:
		b.problem(key("tokens.refresh"), "unknown", "use stable or rotate")
	}
	if tokens.RefreshLifetime > 0 && skill.HasGrant(bridge.GrantAuthorizationCode) && !skill.RotateRefresh {
		b.warn(key("tokens.refresh_lifetime"), "not 0s: every link ends that long after it was made; people must link again")
	}
}

// lifetimeBetween checks a lifetime that has bounds.
func (b *builder) lifetimeBetween(path string, d, least, most time.Duration) time.Duration {
	b.reject(d < least || d > most || d%time.Second != 0, path,
		"out of range", fmt.Sprintf("set whole seconds from %s to %s", least, most))
	return d
}

// lifetime checks a lifetime that has a minimum, or is 0 for a token that never expires.
func (b *builder) lifetime(path string, d, least time.Duration) time.Duration {
	b.reject(d != 0 && d < least || d%time.Second != 0, path,
		"out of range", fmt.Sprintf("set 0s for no expiry, or whole seconds of at least %s", least))
	return d
}

func (b *builder) allow(key func(string) string, form allowForm) bridge.Allow {
	for i, domain := range form.EmailDomains {
		b.reject(!domainPattern.MatchString(domain), element(key("allow.email_domains"), i), "not a domain",
			"set the part after the @, in lower-case ASCII, such as contoso.com")
	}
	b.reject(slices.Contains(form.Groups, ""), key("allow.groups"), "contains an empty name",
		"set groups as the provider names them in its tokens")
	// A rule that is present but empty would admit everyone, which is hardly what was meant.
	for name, empty := range map[string]bool{
		"allow.email_domains": form.EmailDomains != nil && len(form.EmailDomains) == 0,
		"allow.groups":        form.Groups != nil && len(form.Groups) == 0,
		"allow.claims":        form.Claims != nil && len(form.Claims) == 0,
	} {
		b.reject(empty, key(name), "empty", "add an entry, or remove the key to drop the rule")
	}
	allow := bridge.Allow{EmailDomains: form.EmailDomains, Groups: form.Groups}
	for i, rule := range form.Claims {
		b.reject(rule.Name == "" || len(rule.AnyOf) == 0 || slices.Contains(rule.AnyOf, ""),
			element(key("allow.claims"), i), "incomplete", "write {name: a claim, any_of: [values]}")
		allow.Claims = append(allow.Claims, bridge.ClaimRule{Name: rule.Name, AnyOf: rule.AnyOf})
	}
	return allow
}

// requestSize rejects a skill whose requests would leave no room for Alexa's state in the cookie that carries both.
func (b *builder) requestSize(path string, skill *bridge.Skill) {
	longest := 0
	for _, uri := range skill.RedirectURIs {
		longest = max(longest, len(uri))
	}
	if len(skill.Provider)+len(skill.ClientID)+longest+len(strings.Join(skill.Scopes, " ")) > bridge.MaxRequestBytes {
		b.problem(path, "provider id, client_id, longest redirect URI and all scopes are longer than 480 bytes together",
			"shorten or remove some; they share a cookie with Alexa's state")
	}
}

// warnSkill warns about settings that are unwise. The provider is nil if the skill names none that exists.
func (b *builder) warnSkill(key func(string) string, skill *bridge.Skill, provider *upstream.Config) {
	google := provider != nil && provider.Issuer == issuerGoogle
	open := len(skill.Allow.EmailDomains)+len(skill.Allow.Groups)+len(skill.Allow.Claims) == 0
	implicit, code := skill.HasGrant(bridge.GrantImplicit), skill.HasGrant(bridge.GrantAuthorizationCode)
	if open && google {
		b.warn(key("allow"), "empty: everyone with a Google account can link this skill; "+
			"restrict it to your domain, such as claims: [{name: hd, any_of: [contoso.com]}]")
	} else if open {
		b.warn(key("allow"), "empty: everyone who can sign in at the provider can link this skill")
	}
	if !skill.Consent {
		b.warn(key("consent"),
			"off: a person who signs in through an attacker's link gives the attacker's Alexa account access in their name")
	}
	if !skill.Consent && google {
		b.warn(key("consent"), "off, but Google ignores prompt=login, which forces a new sign-in instead; turn consent on")
	}
	if implicit && code {
		b.warn(key("grants"), "both: only for moving from implicit to authorization_code; when the skill uses codes, "+
			"remove implicit and revoke its old links by `links revoke --skill "+skill.ClientID+" --grant implicit`")
	}
	if implicit && skill.ImplicitLifetime == 0 {
		b.warn(key("tokens.implicit_lifetime"), "0s: implicit tokens never expire; revoke unused links by `links revoke`")
	}
	if google && slices.Contains(skill.KeptClaims(), bridge.ClaimGroups) {
		b.warn(key("claims"), "contains groups, which Google does not provide")
	}
}
