package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

const issuerGoogle = "https://accounts.google.com"

var (
	providerIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	urlPattern        = regexp.MustCompile(`^https?://[!-~]+$`)
)

func (b *builder) providers(forms []providerForm) []upstream.Config {
	b.reject(len(forms) == 0, "providers", "missing", "add the OpenID Provider at which people sign in")
	var providers []upstream.Config
	for i, form := range forms {
		key := func(name string) string { return member(element("providers", i), name) }
		b.reject(!providerIDPattern.MatchString(form.ID), key("id"), "not an id",
			"use 1 to 64 of a-z, 0-9, - and _; the id becomes part of the redirect URI")
		b.reject(form.ID != "" && providerByID(providers, form.ID) != nil, key("id"), "not unique",
			"give each provider a different id")
		providers = append(providers, b.provider(key, form))
		b.emailTrusted[form.ID] = form.EmailTrusted
	}
	return providers
}

func (b *builder) provider(key func(string) string, form providerForm) upstream.Config {
	b.issuer(key("issuer"), form.Issuer)
	b.discoveryURL(key("discovery_url"), form)
	b.clientID(key("client_id"), form.ClientID)
	b.authMethod(key, form)
	b.subjectClaim(key("subject_claim"), form.SubjectClaim)
	b.reject(form.Timeout != 0 && (form.Timeout < time.Second || form.Timeout > time.Minute), key("timeout"),
		"out of range", `set a duration from "1s" to "1m"`)
	provider := upstream.Config{
		ID:           form.ID,
		Issuer:       form.Issuer,
		ClientID:     form.ClientID,
		ClientSecret: form.ClientSecret,
		AuthMethod:   form.AuthMethod,
		Scopes:       b.upstreamScopes(key("scopes"), form.Scopes),
		AuthParams:   b.authParams(key("auth_params"), form.AuthParams),
		DiscoveryURL: form.DiscoveryURL,
		SubjectClaim: form.SubjectClaim,
		EmailClaim:   b.claimPath(key("email_claim"), form.EmailClaim),
		NameClaim:    b.claimPath(key("name_claim"), form.NameClaim),
		GroupsClaim:  b.claimPath(key("groups_claim"), form.GroupsClaim),
		Timeout:      form.Timeout,
	}
	if form.CAFile != "" {
		var err error
		if provider.CAs, err = upstream.LoadCAs(b.absolute(form.CAFile)); err != nil {
			b.problem(key("ca_file"), "cannot be read: "+withoutPath(err).Error(), "set a file of certificates in PEM format")
		}
	}
	return provider
}

func (b *builder) issuer(path, issuer string) {
	hint := "set exactly the iss of the provider's ID tokens, " +
		"which is the issuer in its /.well-known/openid-configuration"
	parsed, err := url.Parse(issuer)
	switch {
	case issuer == "":
		b.problem(path, "missing", hint)
	case issuer == bridge.TestIssuer:
		b.problem(path, "the issuer of test links, which no provider may have", hint)
	case strings.Contains(issuer, "/.well-known/"):
		b.problem(path, "the URL of a document, not an issuer",
			"remove /.well-known/ and what follows it, and compare the rest with the issuer in that document; "+
				"if they differ, set issuer to that one and discovery_url to this URL")
	case err != nil || !isURL(issuer, parsed) || parsed.RawQuery != "" || parsed.Fragment != "":
		b.problem(path, "not an issuer", hint)
	case !IsSecure(parsed):
		b.problem(path, "not https", hint+"; http is accepted for a loopback host only")
	case isEntraWithoutTenant(parsed):
		b.warn(path,
			"names no tenant, so that no ID token matches it; set the issuer of your tenant, which contains its id")
	}
}

// isURL reports whether a text is an absolute URL without a user, in the characters that a URL has.
func isURL(text string, parsed *url.URL) bool {
	return urlPattern.MatchString(text) && parsed.Hostname() != "" && parsed.User == nil
}

func (b *builder) discoveryURL(path string, form providerForm) {
	parsed, err := url.Parse(form.DiscoveryURL)
	switch {
	case form.DiscoveryURL == "":
	case err != nil || !isURL(form.DiscoveryURL, parsed) || parsed.Fragment != "":
		b.problem(path, "not a URL",
			"set the whole URL of the discovery document, or remove the key if it is below the issuer")
	case !IsSecure(parsed):
		b.problem(path, "not https", "set an https URL; http is accepted for a loopback host only")
	case parsed.Scheme == "http" && strings.HasPrefix(form.Issuer, "https:"):
		b.warn(path, "http, though the issuer is https: whoever controls this port decides whose ID tokens are accepted")
	}
}

func (b *builder) clientID(path, id string) {
	b.reject(id == "", path, "missing", "set the client id that the provider issued for this bridge")
	b.printable(path, id)
}

// printable rejects a client id or a client secret with characters that these cannot have (RFC 6749, appendix A).
func (b *builder) printable(path, text string) {
	i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
	if i >= 0 {
		b.problem(path, fmt.Sprintf("character %d is not printable ASCII", 1+utf8.RuneCountInString(text[:i])),
			"remove it where the value is set: often a line break, an invisible space or a typographic quote that was copied")
	}
}

func isEntra(issuer string) bool {
	return strings.HasPrefix(issuer, "https://login.microsoftonline.com/") ||
		strings.HasPrefix(issuer, "https://sts.windows.net/")
}

func isEntraWithoutTenant(issuer *url.URL) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	return issuer.Host == "login.microsoftonline.com" &&
		slices.Contains([]string{"common", "organizations", "consumers"}, first)
}

func (b *builder) authMethod(key func(string) string, form providerForm) {
	b.providerSecret(key("client_secret"), form)
	path := key("auth_method")
	switch form.AuthMethod {
	case "":
	case upstream.AuthMethodNone:
		b.reject(form.ClientSecret != "", path, "for a public client, though client_secret is set",
			"remove one of the two")
	case upstream.AuthMethodBasic, upstream.AuthMethodPost:
		b.reject(form.ClientSecret == "", key("client_secret"), "missing, though auth_method is set",
			"set client_secret, or auth_method: none for a public client")
	default:
		b.problem(path, "unknown",
			"use client_secret_basic, client_secret_post or none, or remove the key to use discovery")
	}
}

// providerSecret checks what the bridge authenticates with. Providers with one issuer and one client share it.
func (b *builder) providerSecret(path string, form providerForm) {
	secret, party := form.ClientSecret, form.Issuer+" "+form.ClientID
	if secret == "" {
		return
	}
	b.printable(path, secret)
	b.secret(path, party, secret, "create another secret at the provider")
	if strings.TrimSpace(secret) != secret {
		b.warn(path, "begins or ends with a space, which few providers issue; remove it unless it is part of the secret")
	}
}

func (b *builder) upstreamScopes(path string, scopes []string) []string {
	if len(scopes) == 0 {
		return []string{"openid", "profile", "email"}
	}
	for i, scope := range scopes {
		b.reject(!scopePattern.MatchString(scope), element(path, i), "not a scope",
			"write each scope as an element of its own, without spaces and quotes")
	}
	b.reject(!slices.Contains(scopes, "openid") && !b.isFaultyBelow(path), path, "openid is missing",
		"add openid; without it the provider issues no ID token")
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
			b.problem(element(path, i), "a parameter that the bridge sets itself", "remove it")
		case params.Has(name):
			b.problem(element(path, i), "a parameter that is set a second time", "remove one of the two")
		}
		params.Set(name, value)
	}
	return params
}
