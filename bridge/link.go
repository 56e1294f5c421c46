package bridge

import (
	"crypto/rand"
	"encoding/base32"
	"slices"
	"strings"
	"time"
)

// Link is one person's consent that one skill may know them. It owns its tokens, and ends when it is revoked. Several
// live links of one person with one skill are normal: one per Amazon account that they linked.
type Link struct {
	ID        string // lnk_ and [a-z0-9]; not a secret
	ClientID  string
	Grant     Grant
	Identity         // who linked; the claims are those kept
	Scope     string // joined by spaces
	AlexaUser Hash   // of the Alexa user id a backend told, or empty

	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never looked up; exact to an hour
	RevokedAt  time.Time // zero: not revoked
	Reason     Reason    // why it was revoked
}

// HasScopes says whether all scopes asked for, joined by spaces, were granted.
func (l Link) HasScopes(asked string) bool {
	granted := strings.Fields(l.Scope)
	return !slices.ContainsFunc(strings.Fields(asked), func(scope string) bool { return !slices.Contains(granted, scope) })
}

// Revoked says whether the link has ended.
func (l Link) Revoked() bool { return !l.RevokedAt.IsZero() }

var linkIDEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewLinkID returns a fresh link id.
func NewLinkID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return "lnk_" + strings.ToLower(linkIDEncoding.EncodeToString(id))
}

// LinkFilter selects links. Empty fields select all; those given must all match.
type LinkFilter struct {
	IDs      []string
	ClientID string
	Subject  string
	Email    string // compared without regard to ASCII case; only links that keep the claim have one
	Provider string
	Grant    Grant
	Live     bool // only links that are not revoked
}
