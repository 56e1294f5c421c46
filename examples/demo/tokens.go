package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// linking returns the account linking settings of the skill.
func (a *fakeAlexa) linking() simulator.Linking {
	return simulator.Linking{
		AuthorizationURI: a.origins.Bridge + "/authorize", TokenURI: a.origins.Bridge + "/token",
		ClientID: skillClientID, ClientSecret: a.secret, PKCE: true, Scopes: []string{skillScope}, Client: a.client,
	}
}

// redeem exchanges a code for tokens.
func (a *fakeAlexa) redeem(ctx context.Context, begun account, code string) {
	given, err := a.linking().Exchange(ctx, *begun.Pending, code)
	a.update(begun, func(now *account) {
		if now.Problem = tokenProblem(err); err == nil {
			now.setTokens(given)
		}
	})
}

// refresh gets a new access token if the current one has expired. After invalid_grant Alexa forgets its tokens and
// knows that the account is not linked. Any other error says nothing about the link.
func (a *fakeAlexa) refresh(ctx context.Context) error {
	was := a.snapshot()
	if !was.Expired() {
		return nil
	}
	given, err := a.linking().Refresh(ctx, was.Refresh)
	rejected, _ := errors.AsType[*simulator.TokenError](err)
	switch {
	case rejected != nil && rejected.Code == "invalid_grant":
		a.transcript.add(unlinkedStep())
		a.update(was, (*account).unlink)
	case err != nil:
		return fmt.Errorf("refreshing the access token: %s", tokenProblem(err))
	default:
		a.update(was, func(now *account) {
			now.setTokens(given)
			now.Refreshed = true
		})
	}
	return nil
}

// setTokens stores the tokens of a response.
func (a *account) setTokens(given simulator.Tokens) {
	a.Token, a.Refresh = given.AccessToken, given.RefreshToken
	a.ExpiresAt = time.Now().Add(time.Duration(given.ExpiresIn) * time.Second)
}

// unlink forgets the tokens.
func (a *account) unlink() {
	a.Token, a.Refresh, a.ExpiresAt = "", "", time.Time{}
	a.Unlinked = true
}

// tokenProblem says why there are no tokens; empty: there are.
func tokenProblem(err error) string {
	if rejected, ok := errors.AsType[*simulator.TokenError](err); ok {
		return describeError(url.Values{"error": {rejected.Code}, "error_description": {rejected.Description}})
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
