package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	// maxName is the longest name in bytes that a page shows of an operator or a skill.
	maxName = 100
	// defaultMaxLinks is how many links one person may have with a skill: one for each Amazon account of a family, and
	// some that were given up without a word.
	defaultMaxLinks = 20
	// maxScopes is the most that Alexa sends.
	maxScopes = 15
	// minAlexaLifetime is the shortest access token lifetime that Alexa works with.
	minAlexaLifetime = 6 * time.Minute
)

var (
	clientIDPattern = regexp.MustCompile(`^[!-~]{1,128}$`)
	skillIDPattern  = regexp.MustCompile(`^amzn1\.ask\.skill\.[0-9A-Za-z-]{1,64}$`)
	scopePattern    = regexp.MustCompile(`^[!#-\[\]-~]{1,64}$`) // scope-token of RFC 6749 §3.3
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
		b.reject(form.Name == "", key("name"), "missing", "set the name of the skill for the consent page")
		b.reject(len(form.Name) > maxName, key("name"), "longer than 100 bytes", "shorten it for the consent page")
		skill := &bridge.Skill{
			ClientID:          form.ClientID,
			Name:              form.Name,
			Provider:          b.skillProvider(key("provider"), form.Provider, providers),
			Grants:            b.grants(key("grants"), form.Grants),
			RedirectURIs:      b.redirectURIs(key, form),
			SkillIDs:          b.skillIDs(key("skill_ids"), form.SkillIDs, skills),
			Scopes:            b.scopes(key("scopes"), form.Scopes),
			Claims:            b.claims(key("claims"), form.Claims),
			Consent:           form.Consent == nil || *form.Consent,
			MaxLinksPerPerson: b.maxLinks(key("max_links_per_person"), form.MaxLinksPerPerson),
			TestTokens:        form.TestTokens,
			ImplicitLifetime:  b.lifetime(key("tokens.implicit_lifetime"), form.Tokens.ImplicitLifetime, minAlexaLifetime),
		}
		b.codeGrant(key, form, skill)
		skill.Allow = b.allow(key, form.Allow)
		skill.Allow.EmailTrusted = b.emailTrusted[skill.Provider]
		b.requestSize(element("skills", i), skill)
		b.warnRegions(key("redirect_uris"), skill.RedirectURIs)
		b.warnSkill(key, skill, providerByID(providers, skill.Provider))
		skills = append(skills, skill)
	}
	return skills
}

func (b *builder) skillProvider(path, id string, providers []upstream.Config) string {
	const hint = "set the id of one of the providers"
	known := !b.isFaulty("providers") && providerByID(providers, "") == nil
	switch {
	case id == "" && len(providers) == 1:
		return providers[0].ID
	case id == "":
		b.reject(known, path, "missing", hint)
	case providerByID(providers, id) == nil:
		b.reject(known, path, "no provider has this id", hint)
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

func (b *builder) maxLinks(path string, limit *int) int {
	if limit == nil {
		return defaultMaxLinks
	}
	b.reject(*limit < 0, path, "less than 0", "set a number such as 20, or 0 for no limit")
	if *limit == 0 {
		b.warn(path, "0: one account can fill the database with links; set a limit such as 20")
	}
	return *limit
}

func (b *builder) scopes(path string, scopes []string) []string {
	b.reject(len(scopes) > maxScopes, path, "more than 15", "remove some; Alexa sends at most 15 scopes")
	for i, scope := range scopes {
		b.reject(!scopePattern.MatchString(scope) || slices.Contains(scopes[:i], scope), element(path, i),
			"not a scope, or listed twice", `use 1 to 64 printable ASCII characters without spaces, " and \`)
	}
	return scopes
}

// skillIDs checks the ids by which events of Alexa name a skill. The other skills are those before it.
func (b *builder) skillIDs(path string, ids []string, others []*bridge.Skill) []string {
	for i, id := range ids {
		taken := func(other *bridge.Skill) bool { return slices.Contains(other.SkillIDs, id) }
		b.reject(!skillIDPattern.MatchString(id), element(path, i), "not a skill id",
			"copy it from the developer console: amzn1.ask.skill. and what follows")
		b.reject(slices.Contains(ids[:i], id), element(path, i), "listed twice", "remove one of the two")
		b.reject(slices.ContainsFunc(others, taken), element(path, i), "the id of another skill, too",
			"give it to the skill that has this id in the developer console")
	}
	return ids
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
		b.warn(key("tokens.refresh_lifetime"),
			"not 0s: every link ends that long after it was made; people must link again")
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

// requestSize rejects a skill whose requests would leave no room for Alexa's state in the cookie that carries both.
func (b *builder) requestSize(path string, skill *bridge.Skill) {
	longest := 0
	for _, uri := range skill.RedirectURIs {
		longest = max(longest, len(uri))
	}
	if b.isFaultyBelow(path) {
		return
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
	}
	if provider != nil && len(skill.Allow.EmailDomains) > 0 && !skill.Allow.EmailTrusted && hasOtherEmail(provider) {
		b.warn(key("allow.email_domains"),
			"holds for nobody: email_verified says nothing about the claim that email_claim "+
				"of the provider names; set email_trusted if people cannot change it themselves")
	}
	if provider != nil && isEntra(provider.Issuer) && len(skill.Allow.EmailDomains) > 0 && skill.Allow.EmailTrusted {
		b.warn(key("allow.email_domains"),
			"with email_trusted at Entra ID: guests and administrators of a tenant can enter an address "+
				"of your domain that nobody verified; use groups or app roles instead")
	}
	if provider != nil && provider.SubjectClaim == bridge.ClaimEmail && !skill.Allow.EmailTrusted &&
		hasOtherEmail(provider) {
		b.warn(key("provider"),
			"admits nobody: its subject_claim is email, which must be verified, and email_verified is not read "+
				"with another email_claim; set email_trusted if people cannot change it themselves")
	}
	if skill.TestTokens {
		b.warn(key("test_tokens"),
			"on: `links mint` can make tokens of this skill for persons that do not exist; remove it in production")
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
	namesHD := func(rule bridge.ClaimRule) bool { return rule.Name == "hd" }
	if google && len(skill.Allow.EmailDomains) > 0 && !slices.ContainsFunc(skill.Allow.Claims, namesHD) {
		b.warn(key("allow.email_domains"),
			"with Google: a private account keeps an address of your domain that it once had, as verified; "+
				"also set claims: [{name: hd, any_of: [contoso.com]}]")
	}
	if google && slices.Contains(skill.KeptClaims(), bridge.ClaimGroups) {
		b.warn(key("claims"), "contains groups, which Google does not provide")
	}
	for i, name := range skill.Claims {
		b.warnDot(element(key("claims"), i), name)
	}
	for i, rule := range skill.Allow.Claims {
		b.warnDot(element(key("allow.claims"), i), rule.Name)
		if isChangeable(rule.Name) {
			b.warn(element(key("allow.claims"), i),
				"a claim that people may be able to change: whoever enters the value is admitted; "+
					"use groups, email_domains, or a claim that only the provider sets")
		}
	}
}

func hasOtherEmail(provider *upstream.Config) bool {
	return len(provider.EmailClaim) > 0 && !slices.Equal(provider.EmailClaim, []string{bridge.ClaimEmail})
}
