package config

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// codeGrant reads what the authorization code grant needs.
func (b *builder) codeGrant(on func(string) string, form skillForm, skill *bridge.Skill) {
	if len(form.ClientSecret) > 0 {
		skill.Secrets = b.secrets(on("client_secret"), form.ClientSecret)
	} else if skill.HasGrant(bridge.GrantAuthorizationCode) {
		b.fault(on("client_secret"), "missing", "write the secret of the skill's account linking settings: 32 characters or more, as `alexa-oidc-bridge secret` prints them")
	}
	skill.RequirePKCE = form.RequirePKCE
	tokens := form.Tokens
	skill.AccessLifetime = b.lifetimeBetween(on("tokens.access_lifetime"), tokens.AccessLifetime, time.Hour, leastLifetime, 24*time.Hour)
	skill.CodeLifetime = b.lifetimeBetween(on("tokens.code_lifetime"), tokens.CodeLifetime, time.Minute, 10*time.Second, 10*time.Minute)
	skill.RefreshLifetime = b.lifetime(on("tokens.refresh_lifetime"), tokens.RefreshLifetime, 24*time.Hour)
	switch tokens.Refresh {
	case "", "stable":
	case "rotate":
		skill.RotateRefresh = true
	default:
		b.fault(on("tokens.refresh"), "unknown", "write stable or rotate")
	}
	if tokens.RefreshLifetime > 0 && skill.HasGrant(bridge.GrantAuthorizationCode) && !skill.RotateRefresh {
		b.warn(on("tokens.refresh_lifetime"), "not 0s: every link ends that long after it was made, and people must link again")
	}
}

// lifetimeBetween reads a lifetime that has a default and bounds.
func (b *builder) lifetimeBetween(path string, given *time.Duration, otherwise, least, most time.Duration) time.Duration {
	if given == nil {
		return otherwise
	}
	if *given < least || *given > most || *given%time.Second != 0 {
		b.fault(path, "out of range", "write whole seconds from "+least.String()+" to "+most.String())
	}
	return *given
}
