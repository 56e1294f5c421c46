package bridge

import (
	"strings"
	"time"
	"unicode"
)

// AuditEvent is what an [AuditRecord] tells of.
type AuditEvent string

// Audit events. Of a link that is revoked there is one record, which is named by [Reason.AuditEvent].
const (
	AuditLinked        AuditEvent = "linked"
	AuditRefused       AuditEvent = "refused"       // somebody could not link, or did not want to
	AuditMinted        AuditEvent = "minted"        // a test link was made
	AuditRedeemed      AuditEvent = "redeemed"      // an authorization code, for the first tokens of its link
	AuditReplayed      AuditEvent = "replayed"      // a code or refresh token was presented again, which revoked the link
	AuditRevoked       AuditEvent = "revoked"       // by anything that has no event of its own
	AuditRechecked     AuditEvent = "rechecked"     // the provider's answer about the account is not what it was
	AuditLoggedOut     AuditEvent = "logged_out"    // the person signed out at the provider, which revoked the link
	AuditDeprovisioned AuditEvent = "deprovisioned" // the provider's directory ended the account, which revoked the link
	AuditUnlinked      AuditEvent = "unlinked"      // the person revoked the link
	AuditForgotten     AuditEvent = "forgotten"     // by [Store.Forget] or an import
)

// AuditEvents returns all audit events.
func AuditEvents() []AuditEvent {
	return []AuditEvent{AuditLinked, AuditRefused, AuditMinted, AuditRedeemed, AuditReplayed, AuditRevoked, AuditRechecked,
		AuditLoggedOut, AuditDeprovisioned, AuditUnlinked, AuditForgotten}
}

// AuditRecord is one event in the audit log of the store. Records are never changed, but for [Store.Forget], which
// erases who the person was. Except for the subject, a record has no claim of a person. A field is empty if the event
// has no such thing, or if it is not known.
type AuditRecord struct {
	// ID orders the records by time. [Store.Record] sets it.
	ID       string
	At       time.Time
	Event    AuditEvent
	Reason   Reason
	Actor    Actor // who did it
	ClientID string
	Provider string // the id of the provider
	LinkID   string
	Subject  string
	Origin
}

// Origin is the request that an event came with. The zero value: none did, as for a command.
type Origin struct {
	// Ref is the reference of the request, which a page shows and a log line has.
	Ref string
	// Address is the address of the client that sent the request, behind trusted proxies.
	Address string
}

// AuditFilter selects audit records. All fields that are set must match.
type AuditFilter struct {
	Ref      string // in the form of [CleanRef]
	LinkID   string
	Subject  string
	ClientID string
	Provider string
	Event    AuditEvent
	Since    time.Time // at this time or later
	Until    time.Time // before this time
	// Before selects the records before the one with this ID, to read on from the oldest record of an answer.
	Before string
	Limit  int // the newest ones up to this number; 0: no limit
}

// CleanRef returns a reference as the store has it, from what a person read aloud or copied: in upper case, without
// spaces and hyphens.
func CleanRef(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return unicode.ToUpper(r)
	}, text)
}
