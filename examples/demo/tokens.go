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

// tokenWithin is how long Alexa waits for a token.
const tokenWithin = 4500 * time.Millisecond

// tokenAnswer is what the bridge answers at /token: tokens, or an error.
type tokenAnswer struct {
	AccessToken      string `json:"access_token"`
	RefreshToken     string `json:"refresh_token"`
	ExpiresIn        int64  `json:"expires_in"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

// newVerifier makes a secret that proves later who asked for a code (RFC 7636 §4.1).
func newVerifier() string {
	var random [32]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// challengeOf is what may be seen of a verifier: its hash (RFC 7636 §4.2, S256).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// redeem exchanges a code for tokens, from server to server.
func (a *pretendAlexa) redeem(ctx context.Context, begun account, code string) error {
	given, err := a.requestTokens(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {begun.Asked.RedirectURI},
		"code_verifier": {begun.Verifier},
	})
	if err != nil {
		a.change(begun, func(now *account) { now.Fault = err.Error() })
		return nil
	}
	a.change(begun, func(now *account) {
		now.Fault = given.fault()
		now.keep(given)
	})
	return nil
}

// renew gets a new access token when the one that Alexa has is expired. When the bridge says that there will be none any
// more, Alexa forgets its tokens, and knows that the account is not linked. An outage says nothing about the link.
func (a *pretendAlexa) renew(ctx context.Context) error {
	was := a.now()
	if !was.Expired() {
		return nil
	}
	given, err := a.requestTokens(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {was.Refresh}})
	switch {
	case err != nil:
		return err
	case given.Error == "invalid_grant":
		a.story.tell(lostStep())
		a.change(was, (*account).lose)
	case given.fault() != "":
		return fmt.Errorf("no new token for Alexa: %s", given.fault())
	default:
		a.change(was, func(now *account) {
			now.keep(given)
			now.Refreshed = true
		})
	}
	return nil
}

// keep keeps tokens that were given. A refresh token that does not come again stays as it was (RFC 6749 §6).
func (a *account) keep(given tokenAnswer) {
	if given.fault() != "" {
		return
	}
	a.Token, a.ExpiresAt = given.AccessToken, time.Now().Add(time.Duration(given.ExpiresIn)*time.Second)
	if given.RefreshToken != "" {
		a.Refresh = given.RefreshToken
	}
}

// lose forgets the tokens.
func (a *account) lose() {
	a.Token, a.Refresh, a.ExpiresAt = "", "", time.Time{}
	a.Lost = true
}

// fault says why there are no tokens in the answer; empty: there are.
func (t tokenAnswer) fault() string {
	if t.AccessToken != "" {
		return ""
	}
	return describeFault(url.Values{"error": {t.Error}, "error_description": {t.ErrorDescription}})
}

// requestTokens posts to the token endpoint. It fails when nothing comes back that can be read.
func (a *pretendAlexa) requestTokens(ctx context.Context, form url.Values) (tokenAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.origins.Bridge+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return tokenAnswer{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	request.SetBasicAuth(skillClientID, a.secret)
	response, err := a.client.Do(request)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("the bridge gives no token: %w", err)
	}
	defer response.Body.Close()
	var given tokenAnswer
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&given); err != nil {
		return tokenAnswer{}, fmt.Errorf("the bridge's answer with status %d cannot be read: %w", response.StatusCode, err)
	}
	return given, nil
}
