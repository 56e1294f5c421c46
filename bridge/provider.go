package bridge

// Provider is what gives an [Identity] its meaning: if one of these changed in the configuration, the same subject or
// the same groups could mean another person or another group.
type Provider struct {
	ID           string // in the configuration
	Issuer       string
	SubjectClaim string // the claim that the subject is taken from
	EmailClaim   string // the path of the claim that the e-mail address is taken from, joined by dots; empty: not known
	GroupsClaim  string // the path of the claim that the groups are taken from, joined by dots
}

// IdentifiesByEmail reports whether a person is known at the provider by an e-mail address.
func (p Provider) IdentifiesByEmail() bool {
	return p.SubjectClaim == ClaimEmail || p.SubjectClaim == p.EmailClaim
}
