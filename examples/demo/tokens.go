package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenTimeout is how long Alexa waits for a token.
const tokenTimeout = 4500 * time.Millisecond

// tokenResponse is the response of the token endpoint: tokens, or an error.
type tokenResponse struct {
	AccessToken      string `json:"access_token"`
	RefreshToken     string `json:"refresh_token"`
	ExpiresIn        int64  `json:"expires_in"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

// newVerifier returns a PKCE code verifier (RFC 7636 §4.1).
func newVerifier() string {
	var random [32]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// challengeOf returns the S256 code challenge of a verifier (RFC 7636 §4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// redeem exchanges a code for tokens.
func (a *fakeAlexa) redeem(ctx context.Context, begun account, code string) error {
	given, err := a.requestTokens(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {begun.Pending.RedirectURI},
		"code_verifier": {begun.Verifier},
	})
	if err != nil {
		a.update(begun, func(now *account) { now.Problem = err.Error() })
		return nil
	}
	a.update(begun, func(now *account) {
		now.Problem = given.problem()
		now.setTokens(given)
	})
	return nil
}

// refresh gets a new access token if the current one has expired. After invalid_grant Alexa forgets its tokens and
// knows that the account is not linked. Any other error says nothing about the link.
func (a *fakeAlexa) refresh(ctx context.Context) error {
	was := a.snapshot()
	if !was.Expired() {
		return nil
	}
	given, err := a.requestTokens(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {was.Refresh}})
	switch {
	case err != nil:
		return err
	case given.Error == "invalid_grant":
		a.transcript.add(unlinkedStep())
		a.update(was, (*account).unlink)
	case given.problem() != "":
		return fmt.Errorf("refreshing the access token: %s", given.problem())
	default:
		a.update(was, func(now *account) {
			now.setTokens(given)
			now.Refreshed = true
		})
	}
	return nil
}

// setTokens stores the tokens of a response. A response without a refresh token leaves the old one valid (RFC 6749
// §6).
func (a *account) setTokens(given tokenResponse) {
	if given.problem() != "" {
		return
	}
	a.Token, a.ExpiresAt = given.AccessToken, time.Now().Add(time.Duration(given.ExpiresIn)*time.Second)
	if given.RefreshToken != "" {
		a.Refresh = given.RefreshToken
	}
}

// unlink forgets the tokens.
func (a *account) unlink() {
	a.Token, a.Refresh, a.ExpiresAt = "", "", time.Time{}
	a.Unlinked = true
}

// problem says why there are no tokens in the response; empty: there are.
func (t tokenResponse) problem() string {
	if t.AccessToken != "" {
		return ""
	}
	return describeError(url.Values{"error": {t.Error}, "error_description": {t.ErrorDescription}})
}

// requestTokens sends a token request. An error response of the bridge is not an error of this function.
func (a *fakeAlexa) requestTokens(ctx context.Context, form url.Values) (tokenResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.origins.Bridge+"/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return tokenResponse{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	request.SetBasicAuth(skillClientID, a.secret)
	response, err := a.client.Do(request)
	if err != nil {
		return tokenResponse{}, fmt.Errorf("the token endpoint does not respond: %w", err)
	}
	defer response.Body.Close()
	var given tokenResponse
	if err := json.NewDecoder(io.LimitReader(response.Body, maxResponse)).Decode(&given); err != nil {
		return tokenResponse{}, fmt.Errorf("the token response with status %d cannot be decoded: %w", response.StatusCode,
			err)
	}
	return given, nil
}
