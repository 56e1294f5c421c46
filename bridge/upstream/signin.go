package upstream

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
		return "", &UnavailableError{Stage: "discovery", Err: errors.New("its authorization_endpoint is not a URL")}
	}
	query := target.Query()
	for name, values := range p.config.AuthParams {
		query[name] = values
	}
	switch prompt {
	case PromptLogin:
		query.Set("prompt", "login")
	case PromptAccount:
		query.Set("prompt", known.accountPrompt(query.Get("prompt")))
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
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
	Error, ErrorDescription string // of which the description is for the log only
}

// Identity is whom the provider vouched for.
type Identity struct {
	Issuer  string
	Subject string
	Claims  json.RawMessage // an object: ID token and userinfo; the groups always under "groups", as a list of texts
}

// checkResponse holds a response to RFC 9207: its iss must be the provider's when there is one, and there must be one when
// the provider announces it. This goes for errors too.
func (p *Provider) checkResponse(ctx context.Context, response Response) error {
	known, err := p.discovered(ctx)
	if err != nil {
		return err
	}
	switch {
	case response.ISS == "" && known.requireISS:
		return &RefusedError{Stage: "response", Err: errors.New("it announces iss and sent none (RFC 9207)")}
	case response.ISS != "" && response.ISS != p.config.Issuer:
		return &RefusedError{Stage: "response", Err: errors.New("iss is another issuer's (RFC 9207)")}
	}
	return nil
}

// Identify exchanges the code for an ID token, checks it, and returns whom it vouches for. Userinfo is asked when a claim
// that is needed is not in the ID token. Errors are [*UnavailableError], [*RefusedError], [*EmbeddedBrowserError] and
// [ErrGroupsOverage].
func (p *Provider) Identify(ctx context.Context, login Login, response Response, needed []string) (*Identity, error) {
	if err := p.checkResponse(ctx, response); err != nil {
		return nil, err
	}
	if err := p.responseError(response); err != nil {
		return nil, err
	}
	known, err := p.discovered(ctx)
	if err != nil {
		return nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.exchange(ctx, known, login, response.Code)
	if err != nil {
		return nil, err
	}
	claims, err := p.verify(ctx, known, login, token)
	if err != nil {
		return nil, err
	}
	if missing(claims, p.sources(needed)) && known.provider.UserInfoEndpoint() != "" {
		if claims, err = p.withUserinfo(ctx, known, token, claims); err != nil {
			return nil, err
		}
	}
	return p.identity(claims, needed)
}

// responseError says what an error that the provider sent in place of a code means.
func (p *Provider) responseError(response Response) error {
	if response.Error == "" && response.Code == "" {
		return &RefusedError{Stage: "response", Err: errors.New("neither a code nor an error")}
	}
	if response.Error == "" {
		return nil
	}
	err := fmt.Errorf("error %q, description %q", LogText(response.Error), LogText(response.ErrorDescription))
	switch response.Error {
	case "temporarily_unavailable", "server_error":
		return &UnavailableError{Stage: "response", Err: err}
	case "disallowed_useragent":
		return &EmbeddedBrowserError{Err: err}
	}
	return &RefusedError{Stage: "response", Err: err}
}

func (p *Provider) exchange(ctx context.Context, known *metadata, login Login, code string) (*oauth2.Token, error) {
	token, err := known.oauth2.Exchange(ctx, code, oauth2.VerifierOption(login.Verifier))
	if err == nil {
		return token, nil
	}
	safe := p.safe(err, code, login.Verifier, login.Nonce, login.State)
	retrieve, answered := errors.AsType[*oauth2.RetrieveError](err)
	if answered && retrieve.Response.StatusCode/100 == 4 && retrieve.Response.StatusCode != 429 {
		return nil, &RefusedError{Stage: "token", Err: safe}
	}
	return nil, &UnavailableError{Stage: "token", Err: safe}
}

// verify checks the ID token (OIDC Core §3.1.3.7): go-oidc the signature, the algorithm, the issuer, the audience and the
// expiry; the rest is done here.
func (p *Provider) verify(ctx context.Context, known *metadata, login Login, token *oauth2.Token) (rawClaims, error) {
	refused := func(err error) error { return &RefusedError{Stage: "id_token", Err: err} }
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, refused(errors.New("the answer holds no id_token; is openid among the scopes?"))
	}
	idToken, err := p.verifySignature(ctx, known, raw)
	if err != nil {
		return nil, err
	}
	if login.Nonce == "" || subtle.ConstantTimeCompare([]byte(idToken.Nonce), []byte(login.Nonce)) != 1 {
		return nil, refused(errors.New("its nonce is not the one of this login"))
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, refused(errors.New("its at_hash does not match the access token"))
		}
	}
	var claims rawClaims
	if err := idToken.Claims(&claims); err != nil {
		return nil, refused(p.safe(err, raw))
	}
	azp := claims.text("azp")
	if (azp != "" || len(idToken.Audience) > 1) && azp != p.config.ClientID {
		return nil, refused(errors.New("its azp is not our client id"))
	}
	if idToken.Subject == "" {
		return nil, refused(errors.New("it has no sub"))
	}
	return claims, nil
}

// verifySignature does what go-oidc does of the checks.
func (p *Provider) verifySignature(ctx context.Context, known *metadata, raw string) (*oidc.IDToken, error) {
	keySet := &recordingKeySet{KeySet: known.keySet}
	idToken, err := oidc.NewVerifier(p.config.Issuer, keySet, &oidc.Config{
		ClientID:             p.config.ClientID,
		SupportedSigningAlgs: known.algorithms,
		Now:                  func() time.Time { return p.now().Add(-clockSkew) },
	}).Verify(ctx, raw)
	switch {
	case err == nil:
		return idToken, nil
	case keySet.unavailable():
		return nil, &UnavailableError{Stage: "keys", Err: p.safe(keySet.err)}
	}
	return nil, &RefusedError{Stage: "id_token", Err: p.safe(err, raw)}
}

// recordingKeySet remembers why a signature was not verified, which the verifier turns into a text: a provider whose keys
// cannot be fetched is no forger.
type recordingKeySet struct {
	oidc.KeySet
	err error
}

func (k *recordingKeySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	k.err = err
	return payload, err
}

func (k *recordingKeySet) unavailable() bool {
	return k.err != nil && strings.HasPrefix(k.err.Error(), "fetching keys")
}

// withUserinfo adds what userinfo says to the claims of the ID token, which win.
func (p *Provider) withUserinfo(ctx context.Context, known *metadata, token *oauth2.Token, idToken rawClaims) (rawClaims, error) {
	info, err := known.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, &UnavailableError{Stage: "userinfo", Err: p.safe(err, token.AccessToken)}
	}
	// Without this an answer for somebody else would pass as this person's (OIDC Core §5.3.2).
	if info.Subject == "" || info.Subject != idToken.text("sub") {
		return nil, &RefusedError{Stage: "userinfo", Err: errors.New("its sub is not the ID token's")}
	}
	var merged rawClaims
	if err := info.Claims(&merged); err != nil {
		return nil, &UnavailableError{Stage: "userinfo", Err: p.safe(err, token.AccessToken)}
	}
	// An e-mail address and its email_verified belong together: one source must not verify the other's.
	if email := idToken.text("email"); email != "" && merged.text("email") != email {
		delete(merged, "email_verified")
	} else if email == "" && merged.text("email") != "" {
		idToken = maps.Clone(idToken)
		delete(idToken, "email_verified")
	}
	maps.Copy(merged, idToken)
	return merged, nil
}

func (p *Provider) identity(claims rawClaims, needed []string) (*Identity, error) {
	if slices.Contains(needed, groupsClaim) {
		if p.groupsOverage(claims) {
			return nil, ErrGroupsOverage
		}
		groups := claims.list(p.config.GroupsClaim)
		delete(claims, groupsClaim)
		if groups != nil {
			claims[groupsClaim], _ = json.Marshal(groups)
		}
	}
	subject := claims.text(p.config.SubjectClaim)
	if subject == "" {
		return nil, &RefusedError{Stage: "id_token", Err: fmt.Errorf("it has no %q, which is configured as the subject", p.config.SubjectClaim)}
	}
	object, err := json.Marshal(claims)
	return &Identity{Issuer: p.config.Issuer, Subject: subject, Claims: object}, err
}

// groupsOverage recognises the two forms in which Entra ID says that it left the groups out.
func (p *Provider) groupsOverage(claims rawClaims) bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(claims["_claim_names"], &names)
	_, pointer := names[p.config.GroupsClaim[0]]
	return pointer || string(claims["hasgroups"]) == "true"
}

// sources names the claims, as the provider calls them, that the needed ones are made of.
func (p *Provider) sources(needed []string) []string {
	sources := []string{p.config.SubjectClaim}
	for _, name := range needed {
		if name == groupsClaim {
			name = p.config.GroupsClaim[0]
		}
		sources = append(sources, name)
	}
	return sources
}

func missing(claims rawClaims, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return claims[name] == nil })
}

// rawClaims are claims by name, each still as the provider wrote it.
type rawClaims map[string]json.RawMessage

// text returns a claim that is a text, or nothing.
func (c rawClaims) text(name string) string {
	var text string
	_ = json.Unmarshal(c[name], &text)
	return text
}

// list follows a path into nested objects to a list of texts, or to one text, which is a list of one.
func (c rawClaims) list(path []string) []string {
	value := c[path[0]]
	for _, name := range path[1:] {
		var object map[string]json.RawMessage
		_ = json.Unmarshal(value, &object)
		value = object[name]
	}
	var one string
	if json.Unmarshal(value, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(value, &many) != nil {
		return nil
	}
	return many
}
