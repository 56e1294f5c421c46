package config

import "alexa-oidc-bridge/bridge"

// accountPolicies returns by which ways each provider tells that an account ended.
func (b *builder) accountPolicies(forms []providerForm) map[string]bridge.AccountPolicy {
	policies := map[string]bridge.AccountPolicy{}
	for i, form := range forms {
		key := func(name string) string { return member(element("providers", i), name) }
		policies[form.ID] = b.accountPolicy(key, form)
	}
	return policies
}

func (b *builder) accountPolicy(_ func(string) string, form providerForm) bridge.AccountPolicy {
	return bridge.AccountPolicy{EmailTrusted: form.EmailTrusted}
}
