package config

import (
	"regexp"
	"slices"

	"alexa-oidc-bridge/bridge"
)

var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

func (b *builder) allow(key func(string) string, form allowForm) bridge.Allow {
	for i, domain := range form.EmailDomains {
		b.reject(!domainPattern.MatchString(domain), element(key("allow.email_domains"), i), "not a domain",
			"set the part after the @, in lower-case ASCII, such as contoso.com")
	}
	b.reject(slices.Contains(form.Groups, ""), key("allow.groups"), "contains an empty name",
		"set groups as the provider names them in its tokens")
	// A rule that is present but empty would admit everyone, which is hardly what was meant.
	for name, empty := range map[string]bool{
		"allow.email_domains": form.EmailDomains != nil && len(form.EmailDomains) == 0,
		"allow.groups":        form.Groups != nil && len(form.Groups) == 0,
		"allow.claims":        form.Claims != nil && len(form.Claims) == 0,
	} {
		b.reject(empty, key(name), "empty", "add an entry, or remove the key to drop the rule")
	}
	allow := bridge.Allow{EmailDomains: form.EmailDomains, Groups: form.Groups}
	for i, rule := range form.Claims {
		b.reject(rule.Name == "" || len(rule.AnyOf) == 0 || slices.Contains(rule.AnyOf, ""),
			element(key("allow.claims"), i), "incomplete", "write {name: a claim, any_of: [values]}")
		allow.Claims = append(allow.Claims, bridge.ClaimRule{Name: rule.Name, AnyOf: rule.AnyOf})
	}
	return allow
}
