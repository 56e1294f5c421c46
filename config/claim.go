package config

import (
	"net/url"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// subjectClaim checks the name of the claim that identifies people.
func (b *builder) subjectClaim(path, name string) {
	b.reject(isChangeable(name) && !strings.EqualFold(name, bridge.ClaimEmail), path, "a claim that people can change",
		"use sub, oid for Entra ID, or another claim that the provider never assigns twice")
	if hasDot(name) {
		b.warn(path, "contains a dot, and is the name of one claim: a subject is never taken from inside another claim")
	}
}

// isChangeable reports whether the usual meaning of a claim is something that people can choose, or that passes from
// one person to another.
func isChangeable(name string) bool {
	return slices.Contains([]string{
		"preferred_username", "upn", "userprincipalname", "unique_name", "username", "login", "name", "given_name",
		"family_name", "nickname", "mail", "email", "emails", "phone_number", "profile", "website",
	}, strings.ToLower(name))
}

// claimPath checks the path of a claim, which is a name or a list of names.
func (b *builder) claimPath(path string, names []string) []string {
	b.reject(slices.Contains(names, ""), path, "contains an empty name",
		"set the name of a claim, or a list of names that leads to a nested one")
	if slices.ContainsFunc(names, hasDot) {
		b.warn(path, "contains a dot, which is part of the name: the path to a nested claim is a list, such as "+
			b.pathExample(path, names))
	}
	return names
}

// pathExample returns names with dots as the list that was probably meant, unless they come from ${…}.
func (b *builder) pathExample(path string, names []string) string {
	for i := range names {
		if b.external[b.textPath(path, i)] {
			return "[realm_access, roles]"
		}
	}
	return "[" + strings.ReplaceAll(strings.Join(names, "."), ".", ", ") + "]"
}

// hasDot reports whether the name of a claim looks like a path. URLs and other URIs are names with dots.
func hasDot(name string) bool {
	parsed, err := url.Parse(name)
	return strings.Contains(name, ".") && (err != nil || parsed.Scheme == "")
}

// warnDot warns about a claim of a skill that looks like a path.
func (b *builder) warnDot(path, name string) {
	if hasDot(name) {
		b.warn(path, "contains a dot, and is the name of one claim: a nested one is read only by groups_claim, "+
			"email_claim and name_claim of the provider")
	}
}
