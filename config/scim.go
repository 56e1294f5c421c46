package config

import (
	"cmp"
	"slices"

	"alexa-oidc-bridge/bridge"
)

// scim returns how the directory of a provider tells of accounts.
func (b *builder) scim(path string, provider providerForm) bridge.SCIM {
	form := provider.SCIM
	scim := bridge.SCIM{
		Attribute: cmp.Or(form.Attribute, bridge.SCIMExternalID),
		Claim:     cmp.Or(form.Claim, bridge.ClaimSubject),
	}
	b.reject(!slices.Contains([]string{bridge.SCIMExternalID, bridge.SCIMUserName}, scim.Attribute),
		member(path, "attribute"), "unknown", "use externalId or userName")
	b.warnDot(member(path, "claim"), scim.Claim)
	if len(form.Token) == 0 || slices.Equal(form.Token, oneOrMany{""}) {
		return bridge.SCIM{}
	}
	scim.Tokens = b.secrets(member(path, "token"), form.Token)
	if subject := cmp.Or(provider.SubjectClaim, bridge.ClaimSubject); isEntra(provider.Issuer) &&
		scim.Claim == bridge.ClaimSubject && subject == bridge.ClaimSubject {
		b.warn(member(path, "claim"),
			"the sub of Entra ID is in no directory, so no link would ever end; set subject_claim: oid, "+
				"or claim: oid, and map objectId to externalId")
	}
	return scim
}
