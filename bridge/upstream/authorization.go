package upstream

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Login is the secrets of one browser's sign-in. The same values must be passed to [Provider.AuthorizationURL] and to
// [Provider.Identify].
type Login struct {
	State    string // RFC 6749 §10.12; compared by the caller
	Nonce    string // OIDC Core §15.5.2
	Verifier string // RFC 7636 §4.1
	// NoOffline is for a sign-in after which nobody asks the provider again: it asks for no offline_access, and returns
	// no refresh token.
	NoOffline bool
}

// Prompt is what the provider is asked to show (OIDC Core §3.1.2.1).
type Prompt int

// Prompts.
const (
	PromptDefault Prompt = iota // as configured
	PromptLogin                 // a new sign-in, of which [Identity] has the time
	PromptAccount               // a choice of the account
)

// AuthorizationURL returns where to send the browser. The error is an [*Error] if the provider cannot be discovered.
func (p *Provider) AuthorizationURL(ctx context.Context, login Login, prompt Prompt) (string, error) {
	metadata, err := p.discovered(ctx)
	if err != nil {
		return "", err
	}
	target, err := url.Parse(metadata.oauth2.AuthCodeURL(login.State, oidc.Nonce(login.Nonce),
		oauth2.S256ChallengeOption(login.Verifier)))
	if err != nil {
		return "", misconfigured(StageDiscovery, "", "the authorization_endpoint is not a URL")
	}
	query := target.Query()
	scopes := withoutOffline(p.config.Scopes)
	asksOffline := p.config.Offline && !login.NoOffline && p.config.AuthParams.Get("access_type") != "offline"
	if asksOffline {
		scopes = append(scopes, scopeOffline)
		query.Set("prompt", "consent")
	}
	if asksOffline || login.NoOffline {
		query.Set("scope", strings.Join(scopes, " "))
	}
	for name, values := range p.config.AuthParams {
		if !slices.Contains(ReservedParams(), name) {
			query[name] = values
		}
	}
	if login.NoOffline && query.Get("access_type") == "offline" {
		query.Del("access_type")
	}
	switch prompt {
	case PromptLogin:
		query.Set("prompt", loginPrompt(query.Get("prompt")))
		query.Set("max_age", "0") // for providers that ignore prompt; then auth_time is required in the ID token
	case PromptAccount:
		query.Set("prompt", accountPrompt(query.Get("prompt"), metadata.prompts))
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
}

const scopeOffline = "offline_access" // OIDC Core §11

func withoutOffline(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return scope == scopeOffline })
}

// ReservedParams returns the parameters of an authorization request that the configuration cannot set.
func ReservedParams() []string {
	return []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "request", "request_uri"}
}

// loginPrompt returns the configured prompt with login in it, and without values that contradict login.
func loginPrompt(configured string) string {
	values := slices.DeleteFunc(strings.Fields(configured), func(value string) bool {
		return value == "login" || value == "none" || value == "select_account"
	})
	return strings.Join(append([]string{"login"}, values...), " ")
}

// accountPrompt returns the configured prompt with a value that lets the person choose an account: select_account if
// the provider announces it, or login, which every provider must support.
func accountPrompt(configured string, announced []string) string {
	values := strings.Fields(configured)
	switch {
	case slices.Contains(values, "select_account") || slices.Contains(values, "login"):
		return configured
	case slices.Contains(announced, "select_account"):
		return strings.TrimSpace(configured + " select_account")
	}
	return strings.TrimSpace(configured + " login")
}
