package bridge

import (
	"slices"
	"time"
)

// Grant is how a skill obtains its tokens (RFC 6749 §1.3).
type Grant string

// Grants, by their names in the configuration.
const (
	GrantImplicit          Grant = "implicit"           // RFC 6749 §4.2
	GrantAuthorizationCode Grant = "authorization_code" // RFC 6749 §4.1
)

// Skill is an Alexa skill as an OAuth client of ours.
type Skill struct {
	ClientID string
	Name     string // shown to people
	Provider string // the id of the provider at which people sign in
	// SkillIDs are the ids, amzn1.ask.skill.…, by which events of Alexa name it. No two skills have the same.
	SkillIDs []string

	Grants       []Grant
	RedirectURIs []string // all of them, compared byte for byte
	Scopes       []string // that it may have; others are dropped from a request

	Claims []string // stored with a link and returned by lookup
	Allow  Allow    // who may link

	// Consent shows the consent page before a link is made. Without it, the provider is requested to authenticate the
	// person again (prompt=login).
	Consent bool

	// MaxLinksPerPerson is how many live links one person may have; a new one replaces the oldest. 0: no limit.
	MaxLinksPerPerson int

	// Secrets authenticate the skill at the token endpoint. Without one it cannot use the code grant.
	Secrets []Secret
	// RequirePKCE rejects authorization requests for a code that have no code_challenge (RFC 7636).
	RequirePKCE bool

	ImplicitLifetime time.Duration // of an implicit access token; 0: until its link is revoked
	CodeLifetime     time.Duration // of an authorization code
	AccessLifetime   time.Duration // of an access token that can be refreshed
	RefreshLifetime  time.Duration // of a refresh token, from when it was issued; 0: until its link is revoked
	// RotateRefresh issues a new refresh token at each refresh, and detects that two parties hold one.
	RotateRefresh bool

	// TestTokens honours test links of the skill; see [Link.IsTest].
	TestTokens bool
}

// HasSecret reports whether a secret is one of the skill's, in constant time. A nil skill has none.
func (s *Skill) HasSecret(secret string) bool {
	if s == nil {
		return hasSecret(nil, secret)
	}
	return hasSecret(s.Secrets, secret)
}

// HasGrant reports whether the skill may use a grant.
func (s *Skill) HasGrant(grant Grant) bool { return slices.Contains(s.Grants, grant) }

// KnownScopes divides requested scopes into those that the skill may have, each once, and those that it may not.
func (s *Skill) KnownScopes(requested []string) (known, unknown []string) {
	for _, scope := range requested {
		switch {
		case !slices.Contains(s.Scopes, scope):
			unknown = append(unknown, scope)
		case !slices.Contains(known, scope):
			known = append(known, scope)
		}
	}
	return known, unknown
}

// KeptClaims returns the names of the claims that are stored with a link: those that lookup returns, and those that
// [Allow] reads, since it is checked at every lookup.
func (s *Skill) KeptClaims() []string {
	kept := slices.Concat(s.Claims, s.Allow.ClaimNames())
	slices.Sort(kept)
	return slices.Compact(kept)
}

// identifiesByEmail reports whether a person is known at the provider by an e-mail address that must be verified.
func (s *Skill) identifiesByEmail(provider Provider) bool {
	return provider.IdentifiesByEmail() && !s.Allow.EmailTrusted
}

// SignInClaims returns the names of the claims that [Skill.SignInRules] reads.
func (s *Skill) SignInClaims(provider Provider) []string {
	names := s.Allow.ClaimNames()
	if s.identifiesByEmail(provider) && !slices.Contains(names, ClaimEmailVerified) {
		names = append(names, ClaimEmailVerified)
	}
	return names
}

// SignInRules applies the rules for a new link to a person's claims: those of [Allow] and, where the subject is an
// e-mail address, that it is verified.
func (s *Skill) SignInRules(provider Provider, claims Claims) []Rule {
	rules := s.Allow.Rules(claims)
	if s.identifiesByEmail(provider) {
		rule := Rule{Name: "subject_claim"}
		if !claims.EmailVerified() {
			rule.Reason, rule.Detail = ReasonEmailUnverified, detailUnverified
		}
		rules = append(rules, rule)
	}
	return rules
}

// CheckLink returns why this configuration of the skill and its provider does not permit a link, or "".
func (s *Skill) CheckLink(link *Link, provider Provider) Reason {
	_, hasEmail := link.Claims[ClaimEmail]
	_, hasGroups := link.Claims[ClaimGroups]
	switch {
	case link.ClientID != s.ClientID || link.Provider.ID != s.Provider:
		return ReasonOtherProvider
	case link.IsTest() && !s.TestTokens:
		return ReasonTestTokens
	case link.IsTest(): // its claims come from no provider
	case link.Issuer != provider.Issuer || link.SubjectClaim != provider.SubjectClaim,
		hasEmail && link.EmailClaim != "" && link.EmailClaim != provider.EmailClaim,
		hasGroups && link.GroupsClaim != provider.GroupsClaim:
		return ReasonOtherProvider
	}
	return s.Allow.Check(link.Claims)
}
