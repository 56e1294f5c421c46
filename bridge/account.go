package bridge

import (
	"strings"
	"time"
	"unicode"
)

// Account is by which names a provider speaks of a person later, when their account or a session of theirs ends. They
// are kept with a link for matching only: no lookup and no page returns them. A field is empty if the provider does
// not send it, or if nothing in the configuration needs it.
type Account struct {
	// Subject is the sub of the ID token (OIDC Core §2). It differs from the subject of [Identity] if the provider's
	// subject_claim is another one.
	Subject string
	// Session is the sid of the ID token (OIDC Back-Channel Logout 1.0 §2.1).
	Session string
	// Directory is the claim that the provider's SCIM resources are compared with; see [SCIM].
	Directory string
	// Email is the address that a Global Token Revocation may name, in the form of [EmailKey].
	Email string
}

// AccountPolicy says by which ways a provider tells that a person's account ended, and what then happens to their
// links. The zero value: by none.
type AccountPolicy struct {
	// Offline keeps the provider's refresh token with a link, to ask whether the account still lives.
	Offline bool
	// RecheckAfter is how old the provider's last answer may be when a link is used.
	RecheckAfter time.Duration
	// RecheckLimit is how old it may be for lookups and refreshes to be answered at all. 0: any age.
	RecheckLimit time.Duration
	// DeadGrace is how long a link lives after the provider refused its refresh token. 0: it is revoked at once.
	DeadGrace time.Duration
	// OnLogout is what a back-channel logout does.
	OnLogout LogoutAction
	SCIM     SCIM
	// UniversalLogout accepts Global Token Revocation requests.
	UniversalLogout bool
	// EmailTrusted accepts an e-mail address for matching without email_verified.
	EmailTrusted bool
}

// IdleRecheck is how long after the last answer a recheck is due even if nobody uses the link: refresh tokens of many
// providers expire when they are not used.
const IdleRecheck = 24 * time.Hour

// RecheckDue returns when the next recheck is due after an answer at a time, if nobody uses the link. With a
// RecheckLimit that is half of it at the latest: else the first lookup after a pause would get no answer, though the
// provider gives one.
func (p AccountPolicy) RecheckDue(answered time.Time) time.Time {
	due := max(p.RecheckAfter, IdleRecheck)
	if p.RecheckLimit > 0 {
		due = min(due, p.RecheckLimit/2)
	}
	return answered.Add(due)
}

// LogoutAction is what a back-channel logout does to links, by its name in the configuration.
type LogoutAction string

// Logout actions.
const (
	LogoutRechecks LogoutAction = "recheck" // asks the provider; revokes links without a refresh token of the provider
	LogoutRevokes  LogoutAction = "revoke"
	LogoutIgnored  LogoutAction = "keep"
)

// SCIM says how a provider's directory tells of accounts (RFC 7644). The zero value: not at all.
type SCIM struct {
	Tokens    []Secret // that authenticate the directory; none: it is not served
	Attribute string   // SCIMExternalID or SCIMUserName
	// Claim is the claim of a link that the attribute is compared with. ClaimSubject means the link's subject.
	Claim string
}

// Attributes of a SCIM user that links are matched by (RFC 7643 §3.1, §4.1.1).
const (
	SCIMExternalID = "externalId" // compared exactly
	SCIMUserName   = "userName"   // compared without case
)

// ClaimSubject is the claim of an ID token that identifies a person (OIDC Core §2).
const ClaimSubject = "sub"

// HasToken reports whether a token authenticates the directory, in constant time.
func (s SCIM) HasToken(token string) bool { return hasSecret(s.Tokens, token) }

// bySubject reports whether links are matched by their subjects as they are.
func (s SCIM) bySubject() bool { return s.Claim == ClaimSubject && s.Attribute != SCIMUserName }

// key returns a value of the attribute, or of the claim, in the form in which the two are compared.
func (s SCIM) key(value string) string {
	if s.Attribute == SCIMUserName {
		value = strings.ToLower(value)
	}
	return storable(value)
}

// Claims returns the names of the claims that [AccountPolicy.Account] reads.
func (p AccountPolicy) Claims() []string {
	var names []string
	if len(p.SCIM.Tokens) > 0 && p.SCIM.Claim != ClaimSubject {
		names = append(names, p.SCIM.Claim)
	}
	if p.UniversalLogout {
		names = append(names, ClaimEmail)
	}
	return names
}

// Account returns what to keep of a person for matching: the sub and the sid of the ID token, and what the policy needs
// of all their claims.
func (p AccountPolicy) Account(person Identity, sub, sid string) Account {
	account := Account{Subject: storable(sub), Session: storable(sid)}
	verified := p.EmailTrusted || person.Claims.EmailVerified()
	if len(p.SCIM.Tokens) > 0 && !p.SCIM.bySubject() {
		value := person.Subject
		if p.SCIM.Claim != ClaimSubject {
			value = person.Claims.String(p.SCIM.Claim)
		}
		if p.SCIM.Claim != ClaimEmail || verified { // else anybody could stand for the person, too
			account.Directory = p.SCIM.key(value)
		}
	}
	if p.UniversalLogout && verified {
		account.Email = storable(EmailKey(person.Claims.String(ClaimEmail)))
	}
	return account
}

// UnnamedLinks counts links that have no [Account].Subject.
type UnnamedLinks struct {
	All          int
	OtherSubject int // of them, whose subject is not the sub, so that they do not match by it either
}

// Unmatched returns how many of these links what a provider says of a person does not match, by the policy.
func (p AccountPolicy) Unmatched(links UnnamedLinks) int {
	switch {
	case len(p.SCIM.Tokens) > 0 && !p.SCIM.bySubject(), p.UniversalLogout: // by names that they have not either
		return links.All
	case p.OnLogout == LogoutRechecks, p.OnLogout == LogoutRevokes:
		return links.OtherSubject
	}
	return 0
}

// MaxStorable is the longest text that is stored to be compared, as the name of an [Account], in bytes.
const MaxStorable = 512

// IsStorable reports whether a text is not empty, and can be stored and compared.
func IsStorable(text string) bool { return storable(text) != "" }

// storable returns a text that can be stored and compared, or "": PostgreSQL cannot store NUL, an export no control
// character, and several malformed texts are read as the same replacement character.
func storable(text string) string {
	unfit := func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }
	if len(text) > MaxStorable || strings.ContainsFunc(text, unfit) {
		return ""
	}
	return text
}

// EmailKey returns an address in the form in which it is compared: A to Z in lower case. Lower case of all of Unicode
// would make different addresses equal. PostgreSQL cannot store NUL, which no address contains.
func EmailKey(address string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return -1
		}
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}
