package bridge

import "slices"

// Reason is one word for why a person could not link, or why a link was revoked or is suspended. It goes to logs,
// metrics and the store, never to a person.
type Reason string

// Reasons why a person could not link.
const (
	ReasonEmailMissing    Reason = "email_missing"
	ReasonEmailUnverified Reason = "email_unverified"
	ReasonEmailDomain     Reason = "email_domain"
	ReasonGroups          Reason = "groups"
	ReasonGroupsOverage   Reason = "groups_overage" // the provider sent a pointer instead of the groups
	ReasonClaim           Reason = "claim"
	ReasonProviderRefused Reason = "provider_refused" // the person cancelled there, or was not let in
	ReasonProviderSetup   Reason = "provider_setup"   // the bridge and the provider are not set up for each other
	ReasonCancelled       Reason = "cancelled"        // on the consent page
	ReasonRequestTooLarge Reason = "too_large"        // the request does not fit into a cookie
	ReasonSignInRevoked   Reason = "sign_in_revoked"  // their links were revoked or erased by subject after they signed in
)

// Reasons why the configuration does not permit a link, beside those of [Allow].
const (
	ReasonUnknownSkill  Reason = "unknown_skill"
	ReasonOtherProvider Reason = "other_provider" // the skill's provider, or what identifies people there, was changed
	ReasonTestTokens    Reason = "test_tokens"    // it is a test link, and the skill does not have TestTokens
)

// Reasons why a link was revoked.
const (
	ReasonOperator        Reason = "operator"         // by a command, or a program that uses the admin API
	ReasonReplaced        Reason = "replaced"         // by a newer link of the same person
	ReasonCodeReplayed    Reason = "code_replayed"    // its code was presented again, too late for a lost response
	ReasonRefreshReplayed Reason = "refresh_replayed" // a superseded refresh token was presented: two parties hold it
	ReasonNotRedeemed     Reason = "not_redeemed"     // its code was never presented
	ReasonExpired         Reason = "expired"          // its last token expired
	ReasonClient          Reason = "client"           // at the revocation endpoint
	ReasonLoggedOut       Reason = "logged_out"       // the person signed out at the provider (back-channel logout)
	ReasonDeprovisioned   Reason = "deprovisioned"    // the provider's directory deactivated or deleted the account (SCIM)
	ReasonAccountRevoked  Reason = "account_revoked"  // by a Global Token Revocation request of the provider
	ReasonAccountGone     Reason = "account_gone"     // the provider does not renew the person's sign-in any more
	ReasonSubjectChanged  Reason = "subject_changed"  // the provider calls the person by another subject now
	ReasonErased          Reason = "erased"           // it was erased in another database, whose tombstone was imported
	ReasonUnlinked        Reason = "unlinked"         // by the person, on the page of their links
	ReasonSkillDisabled   Reason = "skill_disabled"   // the Alexa user disabled the skill
)

// Reasons of records about rechecks after which a link goes on, beside ReasonAccountGone: it does for some time.
const (
	ReasonClaimsChanged  Reason = "claims_changed"  // also of an [Event]
	ReasonAccountUnknown Reason = "account_unknown" // nobody can tell whether the account lives
	ReasonAccountAlive   Reason = "account_alive"   // after nobody could tell
)

// AuditEvent returns the event that the audit log has of a link that is revoked for the reason.
func (r Reason) AuditEvent() AuditEvent {
	switch r {
	case ReasonCodeReplayed, ReasonRefreshReplayed:
		return AuditReplayed
	case ReasonLoggedOut:
		return AuditLoggedOut
	case ReasonDeprovisioned:
		return AuditDeprovisioned
	case ReasonUnlinked:
		return AuditUnlinked
	}
	return AuditRevoked
}

// IsOwn reports whether the bridge itself gives the reason, for what it has seen. A link that an operator ends must not
// have it: the audit log would tell of another event, and some reasons erase the claims.
func (r Reason) IsOwn() bool {
	return slices.Contains([]Reason{
		ReasonEmailMissing, ReasonEmailUnverified, ReasonEmailDomain, ReasonGroups, ReasonGroupsOverage, ReasonClaim,
		ReasonProviderRefused, ReasonProviderSetup, ReasonCancelled, ReasonRequestTooLarge, ReasonSignInRevoked,
		ReasonUnknownSkill, ReasonOtherProvider, ReasonTestTokens,
		ReasonReplaced, ReasonCodeReplayed, ReasonRefreshReplayed, ReasonNotRedeemed, ReasonExpired, ReasonClient,
		ReasonLoggedOut, ReasonDeprovisioned, ReasonAccountRevoked, ReasonAccountGone, ReasonSubjectChanged, ReasonErased,
		ReasonUnlinked, ReasonSkillDisabled,
		ReasonClaimsChanged, ReasonAccountUnknown, ReasonAccountAlive,
	}, r)
}
