package bridge

import (
	"fmt"
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

// Rule is one rule of [Allow], applied to a person's claims.
type Rule struct {
	Name   string // as in the configuration, such as email_domains
	Reason Reason // why the rule does not hold; empty: it holds
	Detail string // Reason in words, without the values of claims
}

// Check returns which rule the claims do not meet, or "".
func (a Allow) Check(claims Claims) Reason {
	return FirstFailed(a.Rules(claims)).Reason
}

// FirstFailed returns the first rule that does not hold, or the zero value.
func FirstFailed(rules []Rule) Rule {
	for _, rule := range rules {
		if rule.Reason != "" {
			return rule
		}
	}
	return Rule{}
}

// Rules applies each rule that is set to the claims.
func (a Allow) Rules(claims Claims) []Rule {
	var rules []Rule
	if len(a.EmailDomains) > 0 {
		rules = append(rules, a.checkEmail(claims))
	}
	if len(a.Groups) > 0 {
		rules = append(rules, checkValues("groups", ReasonGroups, claims, ClaimGroups, a.Groups))
	}
	for _, rule := range a.Claims {
		checked := checkValues("claims: "+rule.Name, ReasonClaim, claims, rule.Name, rule.AnyOf)
		if checked.Reason == "" && rule.Name == ClaimEmail && !a.EmailTrusted && !claims.EmailVerified() {
			checked.Reason, checked.Detail = ReasonEmailUnverified, detailUnverified
		}
		rules = append(rules, checked)
	}
	return rules
}

const detailUnverified = "email_verified is not true; set email_trusted if the provider verifies every address"

func (a Allow) checkEmail(claims Claims) Rule {
	rule := Rule{Name: "email_domains"}
	email := claims.String(ClaimEmail)
	switch {
	case email == "":
		rule.Reason = ReasonEmailMissing
		rule.Detail = "the provider sent no claim email; request the scope email, or set email_claim"
	case !a.EmailTrusted && !claims.EmailVerified():
		rule.Reason, rule.Detail = ReasonEmailUnverified, detailUnverified
	case !slices.Contains(a.EmailDomains, emailDomain(email)):
		rule.Reason, rule.Detail = ReasonEmailDomain, "the domain of the address is none of those"
	}
	return rule
}

// checkValues applies a rule that wants one of some values in a claim.
func checkValues(name string, reason Reason, claims Claims, claim string, wanted []string) Rule {
	have := claims.Strings(claim)
	switch {
	case anyOf(have, wanted):
		return Rule{Name: name}
	case claims[claim] == nil:
		return Rule{name, reason, "the provider sent no claim " + claim}
	case len(have) == 0:
		return Rule{name, reason, "the claim " + claim + " is empty, or neither text nor a list of texts"}
	}
	return Rule{name, reason, fmt.Sprintf("none of the %d values of the claim %s matches", len(have), claim)}
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

// ClaimNames returns the names of the claims that [Allow.Check] reads.
func (a Allow) ClaimNames() []string {
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
