package bridge

import (
	"crypto/rand"
	"errors"
	"strings"
	"time"
)

// DirectoryUser is a user as the directory of a provider told us of them by SCIM (RFC 7643 §4.1): by which names it
// calls them, and whether the account is active. Nothing else that a directory sends is kept.
type DirectoryUser struct {
	ID         string // usr_ and [a-z0-9]; not a secret
	Provider   string // the id of the provider whose directory it is; another directory does not know the user
	UserName   string // no two users of a directory have the same, whatever the case
	ExternalID string // empty: none
	Active     bool

	CreatedAt  time.Time
	ModifiedAt time.Time
}

// NewDirectoryUserID returns a fresh id of a [DirectoryUser].
func NewDirectoryUserID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return "usr_" + strings.ToLower(linkIDEncoding.EncodeToString(id))
}

// UserNameKey returns a user name in the form in which it is compared: without case (RFC 7643 §4.1.1).
func UserNameKey(name string) string { return strings.ToLower(name) }

// MaxDirectoryUsers is how many users a directory may have.
const MaxDirectoryUsers = 1_000_000

// Errors of the transitions of a [DirectoryUser], for errors.Is.
var (
	// ErrUserExists means that another user of the directory has the user name.
	ErrUserExists = errors.New("another user of the directory has this user name")
	// ErrDirectoryFull means that the directory has MaxDirectoryUsers.
	ErrDirectoryFull = errors.New("the directory has as many users as it may have")
)

// DirectoryChange is a change to a [DirectoryUser]. What is nil stays as it is.
type DirectoryChange struct {
	UserName   *string
	ExternalID *string
	Active     *bool
}

// Apply returns a user with the change.
func (c DirectoryChange) Apply(user DirectoryUser) DirectoryUser {
	if c.UserName != nil {
		user.UserName = *c.UserName
	}
	if c.ExternalID != nil {
		user.ExternalID = *c.ExternalID
	}
	if c.Active != nil {
		user.Active = *c.Active
	}
	return user
}

// DirectoryFilter selects users of a directory. All fields that are set must match.
type DirectoryFilter struct {
	Provider   string // required
	ID         string
	UserName   string // compared without case
	ExternalID string
}

// DirectoryPage is a part of the users that a filter selects.
type DirectoryPage struct {
	Users []DirectoryUser
	Total int // how many the filter selects
}

// Deprovisioning says what happens to the links of a user whom a transition leaves inactive, or deletes.
type Deprovisioning struct {
	// Links returns the filter of a user's links; false: the user has no name by which links could be found. It may be
	// called several times.
	Links      func(DirectoryUser) (LinkFilter, bool)
	Revocation Revocation // its At is also the time of the transition
}

// DirectoryUpdate is what a transition of a [DirectoryUser] did.
type DirectoryUpdate struct {
	Before DirectoryUser // zero: the user was created
	After  DirectoryUser // zero: the user was deleted
	// Revoked are the links that the transition revoked.
	Revoked []Link
	// Ambiguous means that the user's names stand for several persons, so that no link was revoked.
	Ambiguous bool
}

// Deprovisioned reports whether the transition left no active user.
func (u DirectoryUpdate) Deprovisioned() bool { return !u.After.Active }

// Links returns the filter of the links of a directory's user at a provider, for [Deprovisioning]: of those whose claim
// equals the value of the configured attribute. It returns false for a user who has no such value: a filter without a
// name would select everybody's links.
func (s SCIM) Links(provider Provider, user DirectoryUser) (LinkFilter, bool) {
	value := user.ExternalID
	if s.Attribute == SCIMUserName {
		value = user.UserName
	}
	filter := LinkFilter{Provider: provider.ID, Issuer: provider.Issuer}
	if s.bySubject() {
		filter.Subject = value
	} else {
		filter.Account.Directory = s.key(value)
	}
	return filter, filter.Subject != "" || filter.Account.Directory != ""
}
