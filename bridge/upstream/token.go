package upstream

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/oauth2"
)

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

// isRejected reports whether the provider rejected the code or the client, as opposed to an outage. Some providers send
// an error with status 200.
func isRejected(err *oauth2.RetrieveError) bool {
	status := err.Response.StatusCode
	return status/100 == 4 && status != http.StatusTooManyRequests || status == http.StatusOK && err.ErrorCode != ""
}

// rawIDToken returns the ID token of a token response, or "".
func rawIDToken(token *oauth2.Token) string {
	raw, _ := token.Extra("id_token").(string)
	return raw
}
