package bridge

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	Identity            // who linked, with the claims that are stored
	Scope     string    // joined by spaces
	AlexaUser Hash      // who uses it; see [AlexaUserHash]; empty: not known
	TiedAt    time.Time // when the Alexa user first did, as far as is known
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

var linkIDPattern = regexp.MustCompile(`^lnk_[a-z0-9]{1,60}$`)

// WellFormedLinkID reports whether a text has the form of a link's ID. If not, no link has it.
func WellFormedLinkID(id string) bool { return linkIDPattern.MatchString(id) }

// Cursor returns the place of the link in the order of [Store.Links], for LinkFilter.After. It is opaque, and not a
// secret.
func (l Link) Cursor() string {
	return cursorEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", l.CreatedAt.Unix(), l.ID))
}

// ErrCursor means that a text is not a [Link.Cursor].
var ErrCursor = errors.New("the cursor is malformed")

// ParseLinkCursor returns the creation time and the ID of the link that a [Link.Cursor] stands for, or ErrCursor.
func ParseLinkCursor(cursor string) (createdAt time.Time, id string, err error) {
	text, err := cursorEncoding.DecodeString(cursor)
	seconds, id, _ := strings.Cut(string(text), " ")
	created, errTime := strconv.ParseInt(seconds, 10, 64)
	if err != nil || errTime != nil || !IsStorable(id) || strings.ContainsAny(cursor, "\r\n") {
		return time.Time{}, "", ErrCursor
	}
	return time.Unix(created, 0).UTC(), id, nil
}

var cursorEncoding = base64.RawURLEncoding.Strict()

// LinkFilter selects links. All fields that are set must match; the zero value selects all links. Its times are in
// whole seconds, rounded down, as those of links are.
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
	Account       Account
	CreatedBefore time.Time // made before this time
	UnusedSince   time.Time // neither made nor used at this time or later
	AlexaUser     Hash      // of this Alexa user
	TiedUntil     time.Time // tied to their Alexa user at this time or before
	// After selects only what comes after the link with this Cursor. A malformed one is [ErrCursor].
	After string
	// Limit bounds how many links are selected, to the oldest; 0: no limit. [Store.Revoke] and [Store.Forget] may take
	// fewer at a time.
	Limit int
	// OnePerson lets [Store.Revoke] revoke nothing and return ErrAmbiguous if the links are of several persons.
	OnePerson bool
}
