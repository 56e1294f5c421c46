package bridge

import (
	"crypto/rand"
	"encoding/base32"
	"slices"
	"strings"
	"time"
)

// Link is one person's consent that one skill may know them (a grant in the words of RFC 6749). It owns its tokens
// and lives until it is revoked. Several live links of one person with one skill are normal: one for each Amazon
// account.
type Link struct {
	ID        string // lnk_ and [a-z0-9]; not a secret
	ClientID  string
	Grant     Grant
	Identity         // who linked, with the claims that are stored
	Scope     string // joined by spaces
	AlexaUser Hash   // of the Alexa user id that a backend sent with a lookup; empty: none
	Account   Account

	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never looked up; exact to an hour
	// CheckedAt is when the provider was last asked, and said that the account lives. It may lie ahead, for an account
	// that may be used for some time after it ended. Zero: the provider is never asked.
	CheckedAt time.Time
	RevokedAt time.Time // zero: not revoked
	Reason    Reason    // why it was revoked
	Actor     Actor     // who revoked it, or of a live test link who made it; empty: revoked before this was recorded
}

// HasScopes reports whether all requested scopes, joined by spaces, were granted.
func (l Link) HasScopes(requested string) bool {
	granted := strings.Fields(l.Scope)
	notGranted := func(scope string) bool { return !slices.Contains(granted, scope) }
	return !slices.ContainsFunc(strings.Fields(requested), notGranted)
}

// Revoked reports whether the link is revoked.
func (l Link) Revoked() bool { return !l.RevokedAt.IsZero() }

var linkIDEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewLinkID returns a fresh link id.
func NewLinkID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return "lnk_" + strings.ToLower(linkIDEncoding.EncodeToString(id))
}

// LinkFilter selects links. All fields that are set must match; the zero value selects all links.
type LinkFilter struct {
	IDs      []string
	ClientID string
	Subject  string
	Email    string // compared without ASCII case; only links that store the claim have one
	Provider string
	Issuer   string // which test links do not share with people's
	Grant    Grant
	Live     bool // only links that are not revoked
	// Account selects by the names of an account. A link that was made before they were recorded matches by its
	// subject, if that was taken from the claim sub. With both Subject and Session, a link matches by Subject alone if
	// its session is not known.
	Account Account
	// OnePerson lets [Store.Revoke] revoke nothing and return ErrAmbiguous if the links are of several persons.
	OnePerson bool
}
