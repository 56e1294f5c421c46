package bridge

import (
	"strings"
	"time"
)

const (
	// TestIssuer is the issuer of test links. No provider has it, so that a backend that knows people by issuer and
	// subject never takes the holder of a test link for a person.
	TestIssuer = "urn:alexa-oidc-bridge:test"
	// MaxTestLifetime is the longest lifetime of a test link.
	MaxTestLifetime = 24 * time.Hour
)

// IsTest reports whether the link is a test link: an operator made it with a subject and claims of their choice, and
// nobody signed in.
func (l Link) IsTest() bool { return l.Issuer == TestIssuer }

// NewTestLink returns a test link of a skill, as [Store.Mint] takes it, and its access token. It has every scope of
// the skill. Whether the skill has TestTokens, and whether [Skill.Allow] admits the claims, is for the caller to check.
func NewTestLink(skill *Skill, subject string, claims Claims, by Actor, now time.Time, lifetime time.Duration) (
	made NewLink, token string) {
	token = NewRandomToken(AccessTokenKind)
	return NewLink{
		Link: Link{
			ID:        NewLinkID(),
			ClientID:  skill.ClientID,
			Grant:     skill.Grants[0],
			Identity:  Identity{Provider: Provider{ID: skill.Provider, Issuer: TestIssuer}, Subject: subject, Claims: claims},
			Scope:     strings.Join(skill.Scopes, " "),
			CreatedAt: now,
			Actor:     by,
		},
		Token:     HashOf(token),
		ExpiresAt: now.Add(lifetime),
	}, token
}
