package bridge

import (
	"slices"
	"time"
)

// Grant is a way in which a skill may get its tokens (RFC 6749 §1.3).
type Grant string

// The grants by their names in the configuration.
const (
	GrantImplicit          Grant = "implicit"           // RFC 6749 §4.2
	GrantAuthorizationCode Grant = "authorization_code" // RFC 6749 §4.1
)

// Skill is an Alexa skill as an OAuth client of ours.
type Skill struct {
	ClientID string
	Name     string // shown to people
	Provider string // the id of the provider its people sign in at

	Grants       []Grant
	RedirectURIs []string // the complete set, compared byte for byte
	Scopes       []string // scopes it may have; others are dropped

	Claims []string // kept with a link and returned by lookup
	Allow  Allow    // who may link

	// Consent says whether a person is asked before a link is made. Without it the provider is asked to make the person
	// sign in anew (prompt=login).
	Consent bool

	// MaxLinksPerPerson is how many live links one person may have; the oldest is replaced. 0: no limit.
	MaxLinksPerPerson int

	// Secrets authenticate the skill at the token endpoint. None: it cannot use the code grant.
	Secrets []Secret
	// RequirePKCE refuses authorization requests for a code without a challenge (RFC 7636).
	RequirePKCE bool

	ImplicitLifetime time.Duration // of an implicit access token; 0: until its link ends
	CodeLifetime     time.Duration // of an authorization code
	AccessLifetime   time.Duration // of an access token that can be refreshed
	RefreshLifetime  time.Duration // of a refresh token, from when it was given out; 0: until its link ends
	// RotateRefresh gives out a new refresh token at each refresh, and finds out when two hold one.
	RotateRefresh bool
}

// HasSecret compares a secret presented with all of the skill's. A nil skill has none.
func (s *Skill) HasSecret(presented string) bool {
	if s == nil {
		return hasSecret(nil, presented)
	}
	return hasSecret(s.Secrets, presented)
}

// HasGrant says whether the skill may use the grant.
func (s *Skill) HasGrant(grant Grant) bool { return slices.Contains(s.Grants, grant) }

// HasRedirectURI says whether the URI is one of the skill's, by simple string comparison (RFC 9700 §2.1).
func (s *Skill) HasRedirectURI(uri string) bool { return slices.Contains(s.RedirectURIs, uri) }

// KnownScopes splits the scopes asked for into those the skill may have, each once, and those it may not.
func (s *Skill) KnownScopes(asked []string) (known, unknown []string) {
	for _, scope := range asked {
		switch {
		case !slices.Contains(s.Scopes, scope):
			unknown = append(unknown, scope)
		case !slices.Contains(known, scope):
			known = append(known, scope)
		}
	}
	return known, unknown
}

// KeptClaims names the claims that are stored with a link: those the skill shows its backend, and those that [Allow]
// needs to be asked again at every lookup.
func (s *Skill) KeptClaims() []string {
	kept := slices.Concat(s.Claims, s.Allow.needs())
	slices.Sort(kept)
	return slices.Compact(kept)
}

// Refusal says why a link is not to be honoured under this configuration of the skill and of its provider, or is empty.
func (s *Skill) Refusal(link *Link, provider Provider) Reason {
	_, hasGroups := link.Claims[ClaimGroups]
	switch {
	case link.ClientID != s.ClientID || link.Provider.ID != s.Provider,
		link.Issuer != provider.Issuer || link.SubjectClaim != provider.SubjectClaim,
		hasGroups && link.GroupsClaim != provider.GroupsClaim:
		return ReasonOtherProvider
	}
	return s.Allow.Refusal(link.Claims)
}
