package config

import (
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
	// leastLifetime is the shortest that Alexa works with.
	leastLifetime = 6 * time.Minute
	// maxRedirectURI keeps what Alexa asked for small enough for a cookie.
	maxRedirectURI = 255
	// maxScopes is how many Alexa sends.
	maxScopes = 15
)

func (b *builder) skills(forms []skillForm, providers []upstream.Config) []*bridge.Skill {
	if len(forms) == 0 {
		b.fault("skills", "missing", "describe the Alexa skill that is to be linked")
	}
	var skills []*bridge.Skill
	for i, form := range forms {
		at := func(key string) string { return at("skills", i, key) }
		b.clientID(at("client_id"), form.ClientID, skills)
		if form.Name == "" || len(form.Name) > 100 {
			b.fault(at("name"), "missing or longer than 100 bytes", "write the skill's name as people know it; the consent page shows it")
		}
		skill := &bridge.Skill{
			ClientID:          form.ClientID,
			Name:              form.Name,
			Provider:          b.skillProvider(at("provider"), form.Provider, providers),
			Grants:            b.grants(at("grants"), form.Grants),
			RedirectURIs:      b.redirectURIs(at, form),
			Scopes:            b.scopes(at("scopes"), form.Scopes),
			Claims:            b.claims(at("claims"), form.Claims),
			Consent:           form.Consent == nil || *form.Consent,
			MaxLinksPerPerson: form.MaxLinksPerPerson,
			ImplicitLifetime:  b.lifetime(at("tokens.implicit_lifetime"), form.Tokens.ImplicitLifetime, leastLifetime),
		}
		b.codeGrant(at, form, skill)
		skill.Allow = b.allow(at, form.Allow)
		skill.Allow.EmailTrusted = b.emailTrusted[skill.Provider]
		if form.MaxLinksPerPerson < 0 {
			b.fault(at("max_links_per_person"), "less than 0", "write 0 for no limit")
		}
		b.requestSize(at(""), skill)
		b.warnSkill(at, skill, providerByID(providers, skill.Provider))
		skills = append(skills, skill)
	}
	return skills
}

var printable = regexp.MustCompile(`^[!-~]{1,128}$`)

func (b *builder) clientID(path, id string, before []*bridge.Skill) {
	if !printable.MatchString(id) {
		b.fault(path, "not a client id", "write the Client ID of the skill's account linking settings: up to 128 letters, digits and signs, no spaces")
	}
	if slices.ContainsFunc(before, func(skill *bridge.Skill) bool { return skill.ClientID == id }) {
		b.fault(path, "used twice", "give each skill a client id of its own")
	}
}

func (b *builder) skillProvider(path, id string, providers []upstream.Config) string {
	switch {
	case id == "" && len(providers) == 1:
		return providers[0].ID
	case id == "":
		b.fault(path, "missing", "name one of the providers by its id")
	case providerByID(providers, id) == nil:
		b.fault(path, "no provider has this id", "name one of the providers by its id")
	}
	return id
}

func (b *builder) grants(path string, names []string) []bridge.Grant {
	if len(names) == 0 {
		b.fault(path, "missing", "write [implicit] for a custom skill, or [authorization_code] for any")
	}
	var grants []bridge.Grant
	for i, name := range names {
		switch {
		case name != string(bridge.GrantImplicit) && name != string(bridge.GrantAuthorizationCode):
			b.fault(at(path, i, ""), "not offered", "write implicit or authorization_code")
		case slices.Contains(grants, bridge.Grant(name)):
			b.fault(at(path, i, ""), "written twice", "write each grant once")
		}
		grants = append(grants, bridge.Grant(name))
	}
	return grants
}

func (b *builder) redirectURIs(on func(string) string, form skillForm) []string {
	var uris []string
	add := func(path string, more ...string) {
		for _, uri := range more {
			if slices.Contains(uris, uri) {
				b.fault(path, "written twice", "write each once")
			}
			uris = append(uris, uri)
		}
	}
	for i, id := range form.VendorIDs {
		if err := alexa.CheckVendorID(id); err != nil {
			b.fault(at(on("vendor_ids"), i, ""), err.Error(), `copy the last part of one of the "Alexa Redirect URLs" in the developer console`)
			continue
		}
		add(at(on("vendor_ids"), i, ""), alexa.RedirectURIs(id)...)
	}
	for i, uri := range form.RedirectURIs {
		b.redirectURI(at(on("redirect_uris"), i, ""), uri)
		add(at(on("redirect_uris"), i, ""), uri)
	}
	if len(form.VendorIDs)+len(form.RedirectURIs) == 0 {
		b.fault(on("vendor_ids"), "missing", `write the last part of one of the "Alexa Redirect URLs" in the developer console; all three regions come from it`)
	}
	return uris
}

var redirectURIForm = regexp.MustCompile(`^[!-~]+$`)

func (b *builder) redirectURI(path, uri string) {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil || !redirectURIForm.MatchString(uri) || parsed.Host == "" || parsed.User != nil:
		b.fault(path, "not an absolute URI", "write it exactly as it will be asked for")
	case strings.Contains(uri, "#"):
		b.fault(path, "has a fragment", "leave the fragment out (RFC 6749, section 3.1.2)")
	case parsed.Scheme != "https" && !isLoopbackHTTP(parsed):
		b.fault(path, "not https", "write an https URI; http is good for a loopback host only")
	case len(uri) > maxRedirectURI:
		b.fault(path, "longer than 255 bytes", "use a shorter one")
	}
}

// scopeForm is a scope-token of RFC 6749 §3.3.
var scopeForm = regexp.MustCompile(`^[!#-\[\]-~]{1,64}$`)

func isScope(text string) bool { return scopeForm.MatchString(text) }

func (b *builder) scopes(path string, scopes []string) []string {
	if len(scopes) > maxScopes {
		b.fault(path, "more than 15", "Alexa sends 15 scopes at most")
	}
	for i, scope := range scopes {
		if !isScope(scope) || slices.Contains(scopes[:i], scope) {
			b.fault(at(path, i, ""), "not a scope, or written twice", "write up to 64 letters, digits and signs without spaces and quotes")
		}
	}
	return scopes
}

func (b *builder) claims(path string, claims []string) []string {
	for i, claim := range claims {
		if claim == "" || len(claim) > 100 || slices.Contains(claims[:i], claim) {
			b.fault(at(path, i, ""), "empty, too long, or written twice", "write the name of a claim, such as email")
		}
	}
	return claims
}

var domainForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

func (b *builder) allow(on func(string) string, form allowForm) bridge.Allow {
	for i, domain := range form.EmailDomains {
		if !domainForm.MatchString(domain) {
			b.fault(at(on("allow.email_domains"), i, ""), "not a domain", "write what stands behind the @, in lower-case ASCII, such as contoso.com")
		}
	}
	if slices.Contains(form.Groups, "") {
		b.fault(on("allow.groups"), "holds an empty name", "write groups as the provider names them in its tokens")
	}
	b.emptyRule(on("allow.email_domains"), form.EmailDomains != nil, len(form.EmailDomains))
	b.emptyRule(on("allow.groups"), form.Groups != nil, len(form.Groups))
	b.emptyRule(on("allow.claims"), form.Claims != nil, len(form.Claims))
	allow := bridge.Allow{EmailDomains: form.EmailDomains, Groups: form.Groups}
	for i, rule := range form.Claims {
		if rule.Name == "" || len(rule.AnyOf) == 0 || slices.Contains(rule.AnyOf, "") {
			b.fault(at(on("allow.claims"), i, ""), "half a rule", "write {name: a claim, any_of: [values]}")
		}
		allow.Claims = append(allow.Claims, bridge.ClaimRule{Name: rule.Name, AnyOf: rule.AnyOf})
	}
	return allow
}

// emptyRule refuses a rule that is written but names nobody: it would admit everyone, which is hardly what was meant.
func (b *builder) emptyRule(path string, written bool, length int) {
	if written && length == 0 {
		b.fault(path, "empty", "name at least one, or remove the key to drop the rule")
	}
}

// requestSize refuses what would leave no room for Alexa's state in the cookie that carries a request.
func (b *builder) requestSize(path string, skill *bridge.Skill) {
	longest := 0
	for _, uri := range skill.RedirectURIs {
		longest = max(longest, len(uri))
	}
	if len(skill.Provider)+len(skill.ClientID)+longest+len(strings.Join(skill.Scopes, " ")) > bridge.MaxRequestBytes {
		b.fault(path, "provider id, client_id, longest redirect URI and all scopes are longer than 480 bytes together",
			"shorten or remove some: they travel in a cookie beside Alexa's state")
	}
}

// warnSkill warns of what is unwise about a skill. The provider is nil when it is not known.
func (b *builder) warnSkill(on func(string) string, skill *bridge.Skill, provider *upstream.Config) {
	google := provider != nil && provider.Issuer == issuerGoogle
	open := len(skill.Allow.EmailDomains)+len(skill.Allow.Groups)+len(skill.Allow.Claims) == 0
	if open && google {
		b.warn(on("allow"), "empty: everyone with a Google account can link this skill; name your domain, such as claims: [{name: hd, any_of: [contoso.com]}]")
	} else if open {
		b.warn(on("allow"), "empty: everyone who can sign in at the provider can link this skill")
	}
	if !skill.Consent {
		b.warn(on("consent"), "off: whoever follows a link that a stranger sent gives that stranger's speaker their name, if they sign in")
	}
	if !skill.Consent && google {
		b.warn(on("consent"), "off, though Google does not take prompt=login, by which people are made to sign in instead; leave consent on")
	}
	if skill.HasGrant(bridge.GrantImplicit) && skill.HasGrant(bridge.GrantAuthorizationCode) {
		b.warn(on("grants"), "both: good for moving from implicit to code; take implicit away when the skill asks for codes, and end its old links with `links revoke --skill "+skill.ClientID+" --grant implicit`")
	}
	if skill.HasGrant(bridge.GrantImplicit) && skill.ImplicitLifetime == 0 {
		b.warn(on("tokens.implicit_lifetime"), "0s: implicit tokens never expire; end links that are not wanted any more with `links revoke`")
	}
	if google && slices.Contains(skill.KeptClaims(), bridge.ClaimGroups) {
		b.warn(on("claims"), "groups are asked for, which Google does not tell")
	}
}
