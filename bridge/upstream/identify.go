package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Identity is the person that the provider authenticated.
type Identity struct {
	Issuer  string
	Subject string // the value of the configured claim
	// Claims is a JSON object with the claims of the ID token and, if it was requested, of userinfo. The groups are
	// always under "groups", as a list of strings.
	Claims json.RawMessage
}

// Response is the authorization response: what the provider sent to our callback.
type Response struct {
	Code                    string
	ISS                     string // RFC 9207; empty if absent
	Error, ErrorDescription string // instead of a code (RFC 6749 §4.1.2.1); the description is for the log only
}

// signIn is one sign-in, from the authorization response to the identity. It collects the secrets that it meets,
// which must not be in an error.
type signIn struct {
	*Provider
	metadata *metadata
	login    Login
	token    *oauth2.Token
	secrets  []string
}

// Identify checks the authorization response, exchanges the code, verifies the ID token and returns the person it is
// about. It requests userinfo only if a claim in needed is not in the ID token. It does not compare the state.
//
// The error is an [*UnavailableError], a [*RefusedError], an [*EmbeddedBrowserError] or [ErrGroupsOverage].
func (p *Provider) Identify(ctx context.Context, login Login, response Response, needed []string) (*Identity, error) {
	metadata, err := p.discovered(ctx)
	if err != nil {
		return nil, err
	}
	s := &signIn{Provider: p, metadata: metadata, login: login,
		secrets: []string{login.State, login.Nonce, login.Verifier, response.Code}}
	if err := s.checkResponse(response); err != nil {
		return nil, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	if err := s.exchange(ctx, response.Code); err != nil {
		return nil, err
	}
	idToken, err := s.idToken(ctx)
	if err != nil {
		return nil, err
	}
	var userinfo rawClaims
	if p.lacks(idToken, needed) && metadata.provider.UserInfoEndpoint() != "" {
		if userinfo, err = s.userinfo(ctx, idToken); err != nil {
			return nil, err
		}
	}
	return p.identity(idToken, userinfo, needed)
}

// redact makes an error of a library fit for a log.
func (s *signIn) redact(err error) error { return s.Provider.redact(err, s.secrets...) }

// checkResponse checks the iss of a response (RFC 9207 §2.4), also of an error, and returns the error of an error
// response.
func (s *signIn) checkResponse(response Response) error {
	reject := func(text string) error { return &RefusedError{Stage: StageResponse, Err: errors.New(text)} }
	switch {
	case response.ISS == "" && s.metadata.RequireISS:
		return reject("iss is missing, though the provider announces it (RFC 9207)")
	case response.ISS != "" && response.ISS != s.config.Issuer:
		return reject("iss is not the issuer (RFC 9207)")
	case response.Error == "" && response.Code == "":
		return reject("neither a code nor an error")
	case response.Error == "":
		return nil
	}
	secrets := slices.Concat(s.secrets, []string{s.config.ClientSecret})
	err := fmt.Errorf("error %q, description %q",
		LogText(response.Error, secrets...), LogText(response.ErrorDescription, secrets...))
	switch response.Error {
	case "temporarily_unavailable", "server_error":
		return &UnavailableError{Stage: StageResponse, Err: err}
	case "disallowed_useragent":
		return &EmbeddedBrowserError{Err: err}
	}
	return &RefusedError{Stage: StageResponse, Err: err}
}

// exchange redeems the code (OIDC Core §3.1.3.1).
func (s *signIn) exchange(ctx context.Context, code string) error {
	token, err := s.metadata.oauth2.Exchange(ctx, code, oauth2.VerifierOption(s.login.Verifier))
	if err == nil {
		s.token, s.secrets = token, append(s.secrets, token.AccessToken, token.RefreshToken, rawIDToken(token))
		return nil
	}
	if failed, ok := errors.AsType[*oauth2.RetrieveError](err); ok && isRejected(failed) {
		return &RefusedError{Stage: StageToken, Err: s.redact(err)}
	}
	return &UnavailableError{Stage: StageToken, Err: s.redact(err)}
}

// isRejected reports whether the provider rejected the code or the client, as opposed to an outage. Some providers
// send an error with status 200.
func isRejected(err *oauth2.RetrieveError) bool {
	status := err.Response.StatusCode
	return status/100 == 4 && status != http.StatusTooManyRequests || status == http.StatusOK && err.ErrorCode != ""
}

// rawIDToken returns the ID token of a token response, or "".
func rawIDToken(token *oauth2.Token) string {
	raw, _ := token.Extra("id_token").(string)
	return raw
}

// userinfo requests the claims that are not in the ID token (OIDC Core §5.3).
func (s *signIn) userinfo(ctx context.Context, idToken rawClaims) (rawClaims, error) {
	info, err := s.metadata.provider.UserInfo(ctx, oauth2.StaticTokenSource(s.token))
	if err != nil {
		return nil, &UnavailableError{Stage: StageUserinfo, Err: s.redact(err)}
	}
	var claims rawClaims
	if err := info.Claims(&claims); err != nil {
		return nil, &UnavailableError{Stage: StageUserinfo, Err: s.redact(err)}
	}
	claims.dropNulls()
	// Otherwise the claims of another person would pass as this person's (OIDC Core §5.3.2).
	if claims.string("sub") != idToken.string("sub") {
		return nil, &RefusedError{Stage: StageUserinfo, Err: errors.New("sub is not that of the ID token")}
	}
	return claims, nil
}
