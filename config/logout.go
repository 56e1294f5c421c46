package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

func (b *builder) onLogout(path, action string) bridge.LogoutAction {
	known := []bridge.LogoutAction{bridge.LogoutRechecks, bridge.LogoutRevokes, bridge.LogoutIgnored}
	if action == "" {
		return bridge.LogoutRechecks
	}
	b.reject(!slices.Contains(known, bridge.LogoutAction(action)), path, "unknown", "use recheck, revoke or keep")
	return bridge.LogoutAction(action)
}

// oktaAuthorizationServer is the path of a custom authorization server of Okta, which may have a domain of the company.
var oktaAuthorizationServer = regexp.MustCompile(`^/oauth2/(default|aus[0-9A-Za-z]{17})$`)

// universalLogout checks whether Global Token Revocation can work. Okta signs its requests by the keys of the
// organization, which are not those of a custom authorization server.
func (b *builder) universalLogout(path string, form providerForm) bool {
	if !form.UniversalLogout {
		return false
	}
	issuer, err := url.Parse(form.Issuer)
	if err == nil && (isOkta(issuer.Hostname()) && strings.HasPrefix(issuer.Path, "/oauth2/") ||
		oktaAuthorizationServer.MatchString(issuer.Path)) {
		b.problem(path, "set for a custom authorization server of Okta, whose keys do not sign Universal Logout requests",
			"set issuer to the organization, such as https://YOUR-ORG.okta.com, which suspends the links that were made "+
				"with this one; or remove the key")
	}
	b.warn(path, "links that were made before this was set are not found by an e-mail address, only by issuer and sub")
	return true
}

func isOkta(host string) bool {
	domains := []string{"okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil"}
	return slices.ContainsFunc(domains, func(domain string) bool {
		return strings.HasSuffix(strings.ToLower(host), "."+domain)
	})
}
