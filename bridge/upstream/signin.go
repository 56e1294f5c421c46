package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// clockSkew is how far behind ours a provider's clock may be when it judges an ID token's end.
const clockSkew = time.Minute

const groupsClaim = "groups"

// Login is one browser's trip to the provider: what we sent with it and hold it to.
type Login struct {
	State    string // RFC 6749 §10.12
	Nonce    string // OIDC Core §15.5.2
	Verifier string // RFC 7636
}

// Prompt says what the provider is asked to show (OIDC Core §3.1.2.1).
type Prompt int

// Prompts.
const (
	PromptDefault Prompt = iota // as configured
	PromptLogin                 // make the person sign in anew
	PromptAccount               // let the person choose another account
)

// AuthorizationURL returns where to send the browser. It returns an [*UnavailableError] when the provider is not known
// yet and cannot be asked.
func (p *Provider) AuthorizationURL(ctx context.Context, login Login, prompt Prompt) (string, error) {
	known, err := p.discovered(ctx)
	if err != nil {
		return "", err
	}
	target, err := url.Parse(known.oauth2.AuthCodeURL(login.State, oidc.Nonce(login.Nonce), oauth2.S256ChallengeOption(login.Verifier)))
	if err != nil {
		return "", &UnavailableError{Stage: StageDiscovery, Err: errors.New("its authorization_endpoint is not a URL")}
	}
	query := target.Query()
	for name, values := range p.config.AuthParams {
		if !slices.Contains(ReservedParams(), name) {
			query[name] = values
		}
	}
	switch prompt {
	case PromptLogin:
		query.Set("prompt", loginPrompt(query.Get("prompt")))
	case PromptAccount:
		query.Set("prompt", known.accountPrompt(query.Get("prompt")))
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
}

// ReservedParams are the parameters of an authorization request that carry the protocol, which nobody else may set.
func ReservedParams() []string {
	return []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "request", "request_uri"}
}

// loginPrompt makes the provider let the person sign in anew, whatever else it is asked.
func loginPrompt(configured string) string {
	words := slices.DeleteFunc(strings.Fields(configured), func(word string) bool {
		return word == "login" || word == "none" || word == "select_account"
	})
	return strings.Join(append([]string{"login"}, words...), " ")
}

// accountPrompt is how the provider is asked for another account. What the operator configured stays if it asks already;
// select_account is used where it is announced; every provider must know login.
func (m *metadata) accountPrompt(configured string) string {
	for word := range strings.FieldsSeq(configured) {
		if word == "select_account" || word == "login" {
			return configured
		}
	}
	choice := "login"
	if slices.Contains(m.prompts, "select_account") {
		choice = "select_account"
	}
	return strings.TrimSpace(configured + " " + choice)
}

// Response is what the provider sent to our callback.
type Response struct {
	Code                    string
	ISS                     string // RFC 9207; empty when there was none
	Error, ErrorDescription string // in place of a code; the description is for the log only
}

// Identity is whom the provider vouched for.
type Identity struct {
	Issuer  string
	Subject string
	Claims  json.RawMessage // an object: ID token and userinfo; the groups always under "groups", as a list of texts
}
