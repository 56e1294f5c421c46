package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"

	"alexa-oidc-bridge/bridge"
)

var adminNamePattern = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// adminTokens returns what authenticates programs at the admin API.
func (b *builder) adminTokens(forms []adminForm) []bridge.AdminToken {
	var tokens []bridge.AdminToken
	for i, form := range forms {
		path := element("admin_tokens", i)
		b.reject(!adminNamePattern.MatchString(form.Name), member(path, "name"), "not a name",
			"use 1 to 64 of the characters a to z, 0 to 9 and -; links and the audit log show who ended a link as api:NAME")
		if slices.ContainsFunc(tokens, func(other bridge.AdminToken) bool { return other.Name == form.Name }) {
			b.problem(member(path, "name"), "not unique",
				"give each token a different name; one that is replaced takes a list of secrets")
		}
		tokens = append(tokens, bridge.AdminToken{
			Name:    form.Name,
			Secrets: b.secrets(member(path, "secret"), form.Secret),
			May:     b.adminRights(member(path, "may"), form.May),
		})
	}
	return tokens
}

func (b *builder) adminRights(path string, names []string) []bridge.AdminRight {
	const hint = "list what the token may do: read, revoke, forget"
	b.reject(len(names) == 0, path, "missing or empty", hint)
	var rights []bridge.AdminRight
	for i, name := range names {
		right := bridge.AdminRight(name)
		switch {
		case slices.Contains(rights, right):
			b.problem(element(path, i), "repeated", "remove it")
		case !slices.Contains(bridge.AdminRights(), right):
			b.problem(element(path, i), "unknown", suggestRight(name))
		}
		rights = append(rights, right)
	}
	return rights
}

// suggestRight returns what to do about the name of a right that does not exist.
func suggestRight(unknown string) string {
	for _, right := range bridge.AdminRights() {
		if levenshtein(unknown, string(right)) <= 2 {
			return fmt.Sprintf("did you mean %q?", right)
		}
	}
	return "use read, revoke or forget"
}

// warnAdminListen warns of an admin listener that other machines can reach.
func (b *builder) warnAdminListen(address string, tokens []bridge.AdminToken) {
	host, _, err := net.SplitHostPort(address)
	switch {
	case err != nil || isLoopback(host):
	case len(tokens) > 0:
		b.warn("admin_listen", "not a loopback address, and plain HTTP: whoever can read the network learns admin_tokens, "+
			"which end links; listen on 127.0.0.1 behind a proxy with TLS, and restrict access by a firewall")
	default:
		b.warn("admin_listen", "not a loopback address; restrict access to metrics and readiness by a firewall")
	}
}
