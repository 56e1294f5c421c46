package upstream

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// attempt is one provider's answer on its way to an identity. It collects the secrets that it meets, which are kept out of
// the texts of its errors.
type attempt struct {
	*Provider
	known   *metadata
	login   Login
	token   *oauth2.Token
	secrets []string
}

// Identify exchanges the code for an ID token, checks it, and returns whom it vouches for. Userinfo is asked when a claim
// that is needed is not in the ID token. Errors are [*UnavailableError], [*RefusedError], [*EmbeddedBrowserError] and
// [ErrGroupsOverage].
func (p *Provider) Identify(ctx context.Context, login Login, response Response, needed []string) (*Identity, error) {
	known, err := p.discovered(ctx)
	if err != nil {
		return nil, err
	}
	a := &attempt{Provider: p, known: known, login: login, secrets: []string{login.State, login.Nonce, login.Verifier, response.Code}}
	if err := a.checkResponse(response); err != nil {
		return nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	if err := a.exchange(ctx, response.Code); err != nil {
		return nil, err
	}
	idToken, err := a.verify(ctx)
	if err != nil {
		return nil, err
	}
	var userinfo rawClaims
	if p.missing(idToken, needed) && known.provider.UserInfoEndpoint() != "" {
		if userinfo, err = a.userinfo(ctx, idToken); err != nil {
			return nil, err
		}
	}
	return p.identity(idToken, userinfo, needed)
}

// checkResponse holds a response to RFC 9207, errors too: its iss must be the provider's when there is one, and there must
// be one when the provider announces it. Then it says what an error in place of a code means.
func (a *attempt) checkResponse(response Response) error {
	refused := func(text string) error { return &RefusedError{Stage: StageResponse, Err: errors.New(text)} }
	switch {
	case response.ISS == "" && a.known.requireISS:
		return refused("it announces iss and sent none (RFC 9207)")
	case response.ISS != "" && response.ISS != a.config.Issuer:
		return refused("iss is another issuer's (RFC 9207)")
	case response.Error == "" && response.Code == "":
		return refused("neither a code nor an error")
	case response.Error == "":
		return nil
	}
	err := fmt.Errorf("error %q, description %q", a.clean(response.Error), a.clean(response.ErrorDescription))
	switch response.Error {
	case "temporarily_unavailable", "server_error":
		return &UnavailableError{Stage: StageResponse, Err: err}
	case "disallowed_useragent":
		return &EmbeddedBrowserError{Err: err}
	}
	return &RefusedError{Stage: StageResponse, Err: err}
}

func (a *attempt) exchange(ctx context.Context, code string) error {
	token, err := a.known.oauth2.Exchange(ctx, code, oauth2.VerifierOption(a.login.Verifier))
	if err == nil {
		raw, _ := token.Extra("id_token").(string)
		a.token, a.secrets = token, append(a.secrets, token.AccessToken, token.RefreshToken, raw)
		return nil
	}
	retrieve, answered := errors.AsType[*oauth2.RetrieveError](err)
	if answered && refusal(retrieve) {
		return &RefusedError{Stage: StageToken, Err: a.safe(err)}
	}
	return &UnavailableError{Stage: StageToken, Err: a.safe(err)}
}

// refusal tells a provider that does not take the code from one that cannot answer now. Some refuse with status 200.
func refusal(err *oauth2.RetrieveError) bool {
	status := err.Response.StatusCode
	return status/100 == 4 && status != 429 || status == 200 && err.ErrorCode != ""
}

// verify checks the ID token (OIDC Core §3.1.3.7): go-oidc the signature, the algorithm, the issuer, the audience and the
// expiry; the rest is done here.
func (a *attempt) verify(ctx context.Context) (rawClaims, error) {
	refused := func(err error) error { return &RefusedError{Stage: StageIDToken, Err: err} }
	raw, _ := a.token.Extra("id_token").(string)
	if raw == "" {
		return nil, refused(errors.New("the answer holds no id_token; is openid among the scopes?"))
	}
	idToken, err := a.verifySignature(ctx, raw)
	if err != nil {
		return nil, err
	}
	var claims rawClaims
	if err := idToken.Claims(&claims); err != nil {
		return nil, refused(a.safe(err))
	}
	claims.dropNulls()
	switch {
	case a.login.Nonce == "" || subtle.ConstantTimeCompare([]byte(claims.text("nonce")), []byte(a.login.Nonce)) != 1:
		return nil, refused(errors.New("its nonce is not the one of this login"))
	case idToken.AccessTokenHash != "" && idToken.VerifyAccessToken(a.token.AccessToken) != nil:
		return nil, refused(errors.New("its at_hash does not match the access token"))
	case (claims["azp"] != nil || len(idToken.Audience) > 1) && claims.text("azp") != a.config.ClientID:
		return nil, refused(errors.New("its azp is not our client id"))
	case claims.text("sub") == "":
		return nil, refused(errors.New("it has no sub"))
	}
	return claims, nil
}

// verifySignature does what go-oidc does of the checks.
func (a *attempt) verifySignature(ctx context.Context, raw string) (*oidc.IDToken, error) {
	keySet := &recordingKeySet{KeySet: a.known.keySet}
	idToken, err := oidc.NewVerifier(a.config.Issuer, keySet, &oidc.Config{
		ClientID:             a.config.ClientID,
		SupportedSigningAlgs: a.known.algorithms,
		Now:                  func() time.Time { return a.now().Add(-clockSkew) },
	}).Verify(ctx, raw)
	switch {
	case err == nil:
		return idToken, nil
	case keySet.unavailable():
		return nil, &UnavailableError{Stage: StageKeys, Err: a.safe(keySet.err)}
	}
	return nil, &RefusedError{Stage: StageIDToken, Err: a.safe(err)}
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

// userinfo asks for the claims that are not in the ID token (OIDC Core §5.3).
func (a *attempt) userinfo(ctx context.Context, idToken rawClaims) (rawClaims, error) {
	info, err := a.known.provider.UserInfo(ctx, oauth2.StaticTokenSource(a.token))
	if err != nil {
		return nil, &UnavailableError{Stage: StageUserinfo, Err: a.safe(err)}
	}
	var claims rawClaims
	if err := info.Claims(&claims); err != nil {
		return nil, &UnavailableError{Stage: StageUserinfo, Err: a.safe(err)}
	}
	claims.dropNulls()
	// Without this an answer for somebody else would pass as this person's (OIDC Core §5.3.2).
	if claims.text("sub") != idToken.text("sub") {
		return nil, &RefusedError{Stage: StageUserinfo, Err: errors.New("its sub is not the ID token's")}
	}
	return claims, nil
}

// safe rewrites an error of a library so that it can be logged.
func (a *attempt) safe(err error) error { return a.Provider.safe(err, a.secrets...) }

// clean makes a text of the provider fit for a log.
func (a *attempt) clean(text string) string {
	return LogText(text, slices.Concat(a.secrets, []string{a.config.ClientSecret})...)
}
