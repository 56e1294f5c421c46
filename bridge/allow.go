package bridge

import (
	"slices"
	"strings"
)

// Allow is who may link a skill. All rules that are set must hold; the zero value allows everyone who can sign in.
type Allow struct {
	EmailDomains []string    // lower-case ASCII
	EmailTrusted bool        // accept an e-mail address without email_verified
	Groups       []string    // at least one of these
	Claims       []ClaimRule // each of these
}

// ClaimRule holds when the claim, or one element of it, equals one of the values. For the claim email, the address
// must be verified too.
type ClaimRule struct {
	Name  string
	AnyOf []string
}

// Check returns which rule the claims do not meet, or "".
func (a Allow) Check(claims Claims) Reason {
	if len(a.EmailDomains) > 0 {
		if reason := a.checkEmail(claims); reason != "" {
			return reason
		}
	}
	if len(a.Groups) > 0 && !anyOf(claims.Strings(ClaimGroups), a.Groups) {
		return ReasonGroups
	}
	for _, rule := range a.Claims {
		switch {
		case !anyOf(claims.Strings(rule.Name), rule.AnyOf):
			return ReasonClaim
		case rule.Name == ClaimEmail && !a.EmailTrusted && !claims.emailVerified():
			return ReasonEmailUnverified
		}
	}
	return ""
}

func (a Allow) checkEmail(claims Claims) Reason {
	email := claims.String(ClaimEmail)
	switch {
	case email == "":
		return ReasonEmailMissing
	case !a.EmailTrusted && !claims.emailVerified():
		return ReasonEmailUnverified
	case !slices.Contains(a.EmailDomains, emailDomain(email)):
		return ReasonEmailDomain
	}
	return ""
}

// emailDomain returns the domain of an e-mail address in lower case. It returns "" for an address that is not
// printable ASCII or does not have exactly one @, such as `a@contoso.com@evil`, `"a@contoso.com"@evil`, or one with
// look-alike letters.
func emailDomain(email string) string {
	for i := range len(email) {
		if email[i] <= ' ' || email[i] > '~' {
			return ""
		}
	}
	local, domain, found := strings.Cut(email, "@")
	if !found || local == "" || strings.Contains(domain, "@") {
		return ""
	}
	return strings.ToLower(domain)
}

// claimNames returns the names of the claims that [Allow.Check] reads.
func (a Allow) claimNames() []string {
	var names []string
	if len(a.EmailDomains) > 0 {
		names = append(names, ClaimEmail)
	}
	if len(a.Groups) > 0 {
		names = append(names, ClaimGroups)
	}
	for _, rule := range a.Claims {
		names = append(names, rule.Name)
	}
	if slices.Contains(names, ClaimEmail) && !a.EmailTrusted {
		names = append(names, ClaimEmailVerified)
	}
	return names
}

func anyOf(have, wanted []string) bool {
	return slices.ContainsFunc(have, func(value string) bool { return slices.Contains(wanted, value) })
}
