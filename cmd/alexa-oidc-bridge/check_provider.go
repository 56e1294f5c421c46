package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/upstream"
)

// checkProvider asks a provider for its metadata and keys.
func checkProvider(ctx context.Context, publicURL string, config upstream.Config) []finding {
	config.RedirectURI = server.CallbackURI(publicURL, config.ID)
	name := "provider " + config.ID
	redirectURI := finding{levelOK, name + ": the redirect URI is " + config.RedirectURI,
		"compare it with what is registered there for the client " + config.ClientID + "; `try` tries it by a sign-in"}
	provider := upstream.New(config, time.Now)
	found, err := provider.Rediscover(ctx)
	if err != nil {
		return []finding{discoveryFault(name, err), redirectURI}
	}
	findings := []finding{
		ok("%s: discovery at %s finds the issuer %s", name, found.URL, config.Issuer),
		checkKeys(name, found),
		ok("%s: ID tokens are accepted with %s", name, strings.Join(found.Algorithms, ", ")),
		checkAuthMethod(name, config, found),
		redirectURI,
	}
	if host := signInHost(ctx, provider); host != "" && host != hostOf(config.Issuer) {
		findings = append(findings, finding{levelOK, fmt.Sprintf("%s: people sign in at %s", name, host),
			"this host belongs in the Domain List in the developer console, too"})
	}
	return findings
}

// discoveryFault says why a discovery failed.
func discoveryFault(name string, err error) finding {
	fault := finding{levelFault, fmt.Sprintf("%s: %v", name, err), "correct issuer or discovery_url"}
	failure, isUpstream := errors.AsType[*upstream.Error](err)
	if !isUpstream {
		return fault
	}
	fault.what = fmt.Sprintf("%s: %s: %v", name, failure.Stage, failure.Err)
	switch {
	case failure.Hint != "":
		fault.hint = failure.Hint
	case failure.Kind == upstream.OutOfReach:
		fault.hint = "check issuer, the network and HTTPS_PROXY"
	}
	return fault
}

func checkKeys(name string, found upstream.Discovery) finding {
	text := fmt.Sprintf("%s: keys for signatures: %d", name, found.Keys)
	if found.SkippedKeys > 0 {
		text += fmt.Sprintf(", skipped: %d, which cannot be read or are for something else", found.SkippedKeys)
	}
	return finding{level: levelOK, what: text}
}

func checkAuthMethod(name string, config upstream.Config, found upstream.Discovery) finding {
	source := "from its metadata"
	switch {
	case config.AuthMethod != "":
		source = "set by auth_method"
	case found.AuthMethod == upstream.AuthMethodNone:
		source = "there is no client_secret"
	}
	return finding{levelOK, fmt.Sprintf("%s: client authentication is %s, %s", name, found.AuthMethod, source),
		"`try` shows by a sign-in whether the client_secret is right"}
}

// signInHost returns the host to which people are sent for signing in, or "".
func signInHost(ctx context.Context, provider *upstream.Provider) string {
	text, err := provider.AuthorizationURL(ctx, upstream.Login{}, 0)
	if err != nil {
		return ""
	}
	return hostOf(text)
}

func hostOf(text string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}
