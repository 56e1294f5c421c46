package config

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// accountPolicies returns by which ways each provider tells that an account ended.
func (b *builder) accountPolicies(forms []providerForm) map[string]bridge.AccountPolicy {
	policies := map[string]bridge.AccountPolicy{}
	for i, form := range forms {
		key := func(name string) string { return member(element("providers", i), name) }
		policies[form.ID] = b.accountPolicy(key, form)
	}
	return policies
}

func (b *builder) accountPolicy(key func(string) string, form providerForm) bridge.AccountPolicy {
	policy := bridge.AccountPolicy{
		EmailTrusted:    form.EmailTrusted,
		Offline:         form.Offline,
		OnLogout:        b.onLogout(key("on_logout"), form.OnLogout),
		UniversalLogout: b.universalLogout(key("universal_logout"), form),
	}
	b.recheck(key, form, &policy)
	policy.SCIM = b.scim(key("scim"), form)
	return policy
}

const (
	defaultRecheckAfter = time.Hour
	revokeDead          = "revoke"
)

// recheck sets when the provider is asked whether an account still lives, and what follows.
func (b *builder) recheck(key func(string) string, form providerForm, policy *bridge.AccountPolicy) {
	const needless = "set, though offline is not true"
	const hint = "set offline: true, so that the bridge can ask the provider, or remove the key"
	if !form.Offline {
		b.reject(form.RecheckAfter != nil, key("recheck_after"), needless, hint)
		b.reject(form.RecheckLimit != 0, key("recheck_limit"), needless, hint)
		b.reject(form.OnRefreshDead != "", key("on_refresh_dead"), needless, hint)
		return
	}
	policy.RecheckAfter = defaultRecheckAfter
	if form.RecheckAfter != nil {
		policy.RecheckAfter = *form.RecheckAfter
	}
	const most = 30 * 24 * time.Hour
	b.reject(policy.RecheckAfter < time.Second || policy.RecheckAfter > most || policy.RecheckAfter%time.Second != 0,
		key("recheck_after"), "out of range", `set whole seconds from "1s" to "720h"`)
	policy.RecheckLimit = form.RecheckLimit
	b.reject(form.RecheckLimit != 0 && form.RecheckLimit < 2*policy.RecheckAfter || form.RecheckLimit%time.Second != 0,
		key("recheck_limit"), "out of range", "set 0s for no limit, or whole seconds, twice recheck_after or more")
	if form.OnRefreshDead == "" || form.OnRefreshDead == revokeDead {
		return
	}
	grace, err := time.ParseDuration(form.OnRefreshDead)
	b.reject(err != nil || grace < time.Second || grace > 12*most || grace%time.Second != 0, key("on_refresh_dead"),
		"neither revoke nor a duration", `set revoke, or how long a link lives on, such as "72h"`)
	policy.DeadGrace = grace
}
