package config

import (
	"cmp"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// minAlexaLifetime is the shortest access token lifetime that Alexa works with.
const minAlexaLifetime = 6 * time.Minute

// codeGrant sets what the authorization code grant needs.
func (b *builder) codeGrant(key func(string) string, form skillForm, skill *bridge.Skill) {
	if len(form.ClientSecret) > 0 {
		skill.Secrets = b.secrets(key("client_secret"), form.ClientSecret)
	} else if skill.HasGrant(bridge.GrantAuthorizationCode) {
		b.problem(key("client_secret"), "missing",
			"set the secret of the skill's account linking settings, 32 to 256 characters")
	}
	skill.RequirePKCE = form.RequirePKCE
	tokens := form.Tokens
	access, code := cmp.Or(tokens.AccessLifetime, new(time.Hour)), cmp.Or(tokens.CodeLifetime, new(time.Minute))
	skill.AccessLifetime = b.lifetimeBetween(key("tokens.access_lifetime"), *access, minAlexaLifetime, 24*time.Hour)
	skill.CodeLifetime = b.lifetimeBetween(key("tokens.code_lifetime"), *code, 10*time.Second, 10*time.Minute)
	skill.RefreshLifetime = b.lifetime(key("tokens.refresh_lifetime"), tokens.RefreshLifetime, 24*time.Hour)
	switch tokens.Refresh {
	case "", "stable":
	case "rotate":
		skill.RotateRefresh = true
	default:
		b.problem(key("tokens.refresh"), "unknown", "use stable or rotate")
	}
	if tokens.RefreshLifetime > 0 && skill.HasGrant(bridge.GrantAuthorizationCode) && !skill.RotateRefresh {
		b.warn(key("tokens.refresh_lifetime"), "not 0s: every link ends that long after it was made; people must link again")
	}
}

// lifetimeBetween checks a lifetime that has bounds.
func (b *builder) lifetimeBetween(path string, d, least, most time.Duration) time.Duration {
	b.reject(d < least || d > most || d%time.Second != 0, path,
		"out of range", fmt.Sprintf("set whole seconds from %s to %s", least, most))
	return d
}

// lifetime checks a lifetime that has a minimum, or is 0 for a token that never expires.
func (b *builder) lifetime(path string, d, least time.Duration) time.Duration {
	b.reject(d != 0 && d < least || d%time.Second != 0, path,
		"out of range", fmt.Sprintf("set 0s for no expiry, or whole seconds of at least %s", least))
	return d
}
