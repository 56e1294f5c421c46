package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/upstream"
)

const issuerGoogle = "https://accounts.google.com"

var providerIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (b *builder) providers(forms []providerForm) []upstream.Config {
	b.reject(len(forms) == 0, "providers", "missing", "add the OpenID Provider at which people sign in")
	var providers []upstream.Config
	for i, form := range forms {
		key := func(name string) string { return member(element("providers", i), name) }
		b.reject(!providerIDPattern.MatchString(form.ID), key("id"), "not an id",
			"use 1 to 64 of a-z, 0-9, - and _; the id becomes part of the redirect URI")
		b.reject(form.ID != "" && providerByID(providers, form.ID) != nil, key("id"), "not unique",
			"give each provider a different id")
		b.issuer(key("issuer"), form.Issuer)
		b.reject(form.ClientID == "", key("client_id"), "missing",
			"set the client id that the provider issued for this bridge")
		b.reject(slices.Contains(form.GroupsClaim, ""), key("groups_claim"), "contains an empty name",
			"set the name of a claim, or a list of names that leads to a nested one")
		b.reject(form.Timeout != 0 && (form.Timeout < time.Second || form.Timeout > time.Minute), key("timeout"),
			"out of range", `set a duration from "1s" to "1m"`)
		b.authMethod(key, form)
		provider := upstream.Config{
			ID:           form.ID,
			Issuer:       form.Issuer,
			ClientID:     form.ClientID,
			ClientSecret: form.ClientSecret,
			AuthMethod:   form.AuthMethod,
			Scopes:       b.upstreamScopes(key("scopes"), form.Scopes),
			AuthParams:   b.authParams(key("auth_params"), form.AuthParams),
			SubjectClaim: form.SubjectClaim,
			GroupsClaim:  form.GroupsClaim,
			Timeout:      form.Timeout,
		}
		if form.CAFile != "" {
			var err error
			if provider.CAs, err = upstream.LoadCAs(b.absolute(form.CAFile)); err != nil {
				b.problem(key("ca_file"), "cannot be read: "+withoutPath(err).Error(), "set a file of certificates in PEM format")
			}
		}
		providers = append(providers, provider)
		b.emailTrusted[form.ID] = form.EmailTrusted
	}
	return providers
}

func (b *builder) issuer(path, issuer string) {
	hint := "set exactly the iss of the provider's ID tokens, which is the issuer in its /.well-known/openid-configuration"
	parsed, err := url.Parse(issuer)
	switch {
	case issuer == "":
		b.problem(path, "missing", hint)
	case err != nil || parsed.Host == "" || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil:
		b.problem(path, "not an issuer", hint)
	case !isSecure(parsed):
		b.problem(path, "not https", hint+"; http is accepted for a loopback host only")
	case isEntraWithoutTenant(parsed):
		b.warn(path, "names no tenant, so that no ID token matches it; set the issuer of your tenant, which contains its id")
	}
}

func isEntraWithoutTenant(issuer *url.URL) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	return issuer.Host == "login.microsoftonline.com" &&
		slices.Contains([]string{"common", "organizations", "consumers"}, first)
}

func (b *builder) authMethod(key func(string) string, form providerForm) {
	if form.ClientSecret != "" {
		b.warnInline(key("client_secret"))
	}
	path := key("auth_method")
	switch form.AuthMethod {
	case "":
	case upstream.AuthMethodNone:
		b.reject(form.ClientSecret != "", path, "none, though client_secret is set", "remove one of the two")
	case upstream.AuthMethodBasic, upstream.AuthMethodPost:
		b.reject(form.ClientSecret == "", path, "client_secret is missing",
			"set client_secret, or auth_method: none for a public client")
	default:
		b.problem(path, "unknown", "use client_secret_basic, client_secret_post or none, or remove the key to use discovery")
	}
}

func (b *builder) upstreamScopes(path string, scopes []string) []string {
	if len(scopes) == 0 {
		return []string{"openid", "profile", "email"}
	}
	b.reject(!slices.Contains(scopes, "openid"), path, "openid is missing",
		"add openid; without it the provider issues no ID token")
	for _, scope := range scopes {
		b.reject(!scopePattern.MatchString(scope), path, "not a scope",
			"write each scope as an element of its own, without spaces and quotes")
	}
	return scopes
}

// authParams parses strings such as prompt=select_account. Parameters of the protocol cannot be set.
func (b *builder) authParams(path string, texts []string) url.Values {
	params := url.Values{}
	for i, text := range texts {
		name, value, found := strings.Cut(text, "=")
		switch {
		case !found || name == "":
			b.problem(element(path, i), "not name=value", `write it as in "prompt=select_account"`)
		case slices.Contains(upstream.ReservedParams(), name):
			b.problem(element(path, i), "sets "+name+", which the bridge sets itself", "remove it")
		case params.Has(name):
			b.problem(element(path, i), "sets "+name+" a second time", "set each parameter once")
		}
		params.Set(name, value)
	}
	return params
}
