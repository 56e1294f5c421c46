package bridge

// Provider is an upstream OpenID Provider, as far as it gives an [Identity] its meaning: were one of these changed, the same
// subject or the same groups could mean somebody or something else.
type Provider struct {
	ID           string // in the configuration
	Issuer       string
	SubjectClaim string // the claim that the subject is taken from
	GroupsClaim  string // the path of the claim that the groups are taken from, joined by dots
}
