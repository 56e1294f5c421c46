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

var providerIDForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (b *builder) providers(forms []providerForm) []upstream.Config {
	if len(forms) == 0 {
		b.fault("providers", "missing", "describe the OpenID Provider at which people sign in")
	}
	var providers []upstream.Config
	for i, form := range forms {
		at := func(key string) string { return at("providers", i, key) }
		if !providerIDForm.MatchString(form.ID) {
			b.fault(at("id"), "not an id", "write up to 64 of a-z, 0-9, - and _; it becomes part of the redirect URI")
		}
		if form.ID != "" && providerByID(providers, form.ID) != nil {
			b.fault(at("id"), "used twice", "give each provider an id of its own")
		}
		b.issuer(at("issuer"), form.Issuer)
		if form.ClientID == "" {
			b.fault(at("client_id"), "missing", "write the client id that the provider gave this bridge")
		}
		b.authMethod(at, form)
		providers = append(providers, upstream.Config{
			ID: form.ID, Issuer: form.Issuer, ClientID: form.ClientID, ClientSecret: form.ClientSecret, AuthMethod: form.AuthMethod,
			Scopes:       b.upstreamScopes(at("scopes"), form.Scopes),
			AuthParams:   b.authParams(at("auth_params"), form.AuthParams),
			SubjectClaim: form.SubjectClaim,
			GroupsClaim:  b.claimPath(at("groups_claim"), form.GroupsClaim),
			Timeout:      b.timeout(at("timeout"), form.Timeout),
		})
		if form.CAFile != "" {
			b.authorities(at("ca_file"), form.CAFile, &providers[len(providers)-1])
		}
		b.emailTrusted[form.ID] = form.EmailTrusted
	}
	return providers
}

func (b *builder) issuer(path, issuer string) {
	cure := "write it exactly as the iss of the provider's ID tokens; the provider's /.well-known/openid-configuration says it"
	parsed, err := url.Parse(issuer)
	switch {
	case issuer == "":
		b.fault(path, "missing", cure)
	case err != nil || parsed.Host == "" || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil:
		b.fault(path, "not an issuer", cure)
	case parsed.Scheme != "https" && !isLoopbackHTTP(parsed):
		b.fault(path, "not https", cure+"; http is good for a loopback host only")
	case parsed.Host == "login.microsoftonline.com" && slices.Contains([]string{"common", "organizations", "consumers"}, firstSegment(parsed.Path)):
		b.warn(path, "names no tenant, so no ID token will ever match it; write the issuer of your own tenant, with the tenant's id")
	}
}

func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}

func (b *builder) authMethod(at func(string) string, form providerForm) {
	if form.ClientSecret != "" {
		b.warnInline(at("client_secret"))
	}
	switch form.AuthMethod {
	case "":
	case upstream.AuthMethodNone:
		if form.ClientSecret != "" {
			b.fault(at("auth_method"), "none, though there is a client secret", "remove one of the two")
		}
	case upstream.AuthMethodBasic, upstream.AuthMethodPost:
		if form.ClientSecret == "" {
			b.fault(at("auth_method"), "needs a client secret", "write client_secret, or auth_method: none for a public client")
		}
	default:
		b.fault(at("auth_method"), "unknown", "write client_secret_basic, client_secret_post or none, or leave it out to take it from discovery")
	}
}

func (b *builder) upstreamScopes(path string, scopes []string) []string {
	if len(scopes) == 0 {
		return []string{"openid", "profile", "email"}
	}
	if !slices.Contains(scopes, "openid") {
		b.fault(path, "openid is not among them", "add openid: without it the provider gives no ID token")
	}
	for _, scope := range scopes {
		if !isScope(scope) {
			b.fault(path, "not a scope", "write each scope as a text of its own, without spaces and quotes")
		}
	}
	return scopes
}

// authParams reads texts such as prompt=select_account. Parameters that carry the protocol are not theirs to set.
func (b *builder) authParams(path string, texts []string) url.Values {
	params := url.Values{}
	for i, text := range texts {
		name, value, found := strings.Cut(text, "=")
		switch {
		case !found || name == "":
			b.fault(at(path, i, ""), "not name=value", `write it such as "prompt=select_account"`)
		case slices.Contains(upstream.OwnParams(), name):
			b.fault(at(path, i, ""), "sets "+name+", which this bridge sets itself", "remove it")
		case params.Has(name):
			b.fault(at(path, i, ""), "sets "+name+" a second time", "write each parameter once")
		}
		params.Set(name, value)
	}
	return params
}

func (b *builder) claimPath(path string, names []string) []string {
	if slices.Contains(names, "") {
		b.fault(path, "holds an empty name", "write a claim, or a list of names that leads to one inside another")
	}
	return names
}

func (b *builder) timeout(path string, d time.Duration) time.Duration {
	if d != 0 && (d < time.Second || d > time.Minute) {
		b.fault(path, "out of range", `write a duration from "1s" to "1m"`)
	}
	return d
}

func (b *builder) authorities(path, file string, provider *upstream.Config) {
	pool, err := upstream.LoadCAs(b.path(file))
	if err != nil {
		b.fault(path, "cannot be used: "+withoutPath(err).Error(), "name a file with certificates in PEM form")
	}
	provider.CAs = pool
}
