package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	// maxRedirectURI keeps the authorization request small enough for a cookie.
	maxRedirectURI = 255
	// maxScopes is the most that Alexa sends.
	maxScopes = 15
)

var (
	clientIDPattern    = regexp.MustCompile(`^[!-~]{1,128}$`)
	redirectURIPattern = regexp.MustCompile(`^[!-~]+$`)
	scopePattern       = regexp.MustCompile(`^[!#-\[\]-~]{1,64}$`) // scope-token of RFC 6749 §3.3
)

func (b *builder) skills(forms []skillForm, providers []upstream.Config) []*bridge.Skill {
	b.reject(len(forms) == 0, "skills", "missing", "add the Alexa skill that people link")
	var skills []*bridge.Skill
	for i, form := range forms {
		key := func(name string) string { return member(element("skills", i), name) }
		b.clientID(key("client_id"), form.ClientID, skills)
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

func (b *builder) clientID(path, id string, others []*bridge.Skill) {
	if !clientIDPattern.MatchString(id) {
		b.problem(path, "not a client id",
			"set the Client ID of the skill's account linking settings: 1 to 128 printable ASCII characters without spaces")
	}
	if slices.ContainsFunc(others, func(skill *bridge.Skill) bool { return skill.ClientID == id }) {
		b.problem(path, "not unique", "give each skill a different client id")
	}
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
	case parsed.Scheme != "https" && !isLoopbackHTTP(parsed):
		b.problem(path, "not https", "set an https URI; http is accepted for a loopback host only")
	case len(uri) > maxRedirectURI:
		b.problem(path, "longer than 255 bytes", "use a shorter URI")
	}
}

func isScope(text string) bool { return scopePattern.MatchString(text) }

func (b *builder) scopes(path string, scopes []string) []string {
	b.reject(len(scopes) > maxScopes, path, "more than 15", "remove some; Alexa sends at most 15 scopes")
	for i, scope := range scopes {
		b.reject(!isScope(scope) || slices.Contains(scopes[:i], scope), element(path, i),
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
