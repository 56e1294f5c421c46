package bridge

// Reason says in one word why a person was refused or a link ended. It goes to logs, metrics and the store, never to
// a person.
type Reason string

// Reasons for a refusal.
const (
	ReasonEmailMissing    Reason = "email_missing"
	ReasonEmailUnverified Reason = "email_unverified"
	ReasonEmailDomain     Reason = "email_domain"
	ReasonGroups          Reason = "groups"
	ReasonGroupsOverage   Reason = "groups_overage" // the provider sent a pointer instead of the groups
	ReasonClaim           Reason = "claim"
	ReasonOtherProvider   Reason = "other_provider" // the skill's provider was changed in the configuration
)

// Reasons for the end of a link.
const (
	ReasonOperator Reason = "operator" // revoked by a command
	ReasonReplaced Reason = "replaced" // by a newer link of the same person

	ReasonCodeReplayed    Reason = "code_replayed"    // its code was presented again, too late for a lost answer
	ReasonRefreshReplayed Reason = "refresh_replayed" // a superseded refresh token was presented: two hold it
	ReasonNotRedeemed     Reason = "not_redeemed"     // its code was never presented
	ReasonExpired         Reason = "expired"          // its last token expired
	ReasonClient          Reason = "client"           // revoked at the revocation endpoint
)
