package bridge

import (
	"slices"
	"strings"
)

// Allow is who may link a skill. All that is given must hold; the zero value admits everyone who can sign in.
type Allow struct {
	EmailDomains []string    // lower-case ASCII
	EmailTrusted bool        // an e-mail address counts without email_verified
	Groups       []string    // at least one of these
	Claims       []ClaimRule // each of these
}

// ClaimRule holds when the claim, or one element of it, equals one of the values. An e-mail address must be verified too.
type ClaimRule struct {
	Name  string
	AnyOf []string
}

// Refusal says why the claims do not meet the rules, or is empty when they do.
func (a Allow) Refusal(claims Claims) Reason {
	if len(a.EmailDomains) > 0 {
		if reason := a.refusedEmail(claims); reason != "" {
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

func (a Allow) refusedEmail(claims Claims) Reason {
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

// emailDomain returns what stands behind the only @, in lower case, or nothing for an address that is not plain ASCII
// or not of that form: `a@contoso.com@evil`, `"a@contoso.com"@evil`, look-alike letters.
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

// needs names the claims that [Allow.Refusal] reads.
func (a Allow) needs() []string {
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
