package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// minLifetime is the shortest lifetime of an access token, in seconds, that Alexa works with.
const minLifetime = 360

// Tokens is a response of a token endpoint (RFC 6749 §5.1).
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// TokenError is an error response of a token endpoint (RFC 6749 §5.2).
type TokenError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *TokenError) Error() string {
	text := fmt.Sprintf("the token endpoint answers %s (status %d)", e.Code, e.Status)
	if e.Description != "" {
		text += ": " + e.Description
	}
	return text
}

// Exchange exchanges a code, with which a browser came back from the request, for tokens.
func (l Linking) Exchange(ctx context.Context, request Request, code string) (Tokens, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {request.RedirectURI}}
	if request.CodeVerifier != "" {
		form.Set("code_verifier", request.CodeVerifier)
	}
	tokens, err := l.token(ctx, form)
	if err == nil && tokens.RefreshToken == "" {
		err = errors.New("the response has no refresh_token: the link would end with the access token")
	}
	return tokens, err
}

// Refresh exchanges a refresh token for another access token. If the response has no refresh token, the one that was
// sent stays good, and is in the result.
func (l Linking) Refresh(ctx context.Context, refreshToken string) (Tokens, error) {
	tokens, err := l.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
	if tokens.RefreshToken == "" {
		tokens.RefreshToken = refreshToken
	}
	return tokens, err
}

// token sends a form to the token endpoint as Alexa does, and checks the response.
func (l Linking) token(ctx context.Context, form url.Values) (Tokens, error) {
	form.Set("client_id", l.ClientID)
	if l.InBody {
		form.Set("client_secret", l.ClientSecret)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return Tokens{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	if !l.InBody {
		request.SetBasicAuth(l.ClientID, l.ClientSecret)
	}
	response, body, err := l.do(request)
	if err != nil {
		return Tokens{}, err
	}
	return parseTokens(response, body)
}

func parseTokens(response *http.Response, body []byte) (tokens Tokens, err error) {
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	failure := TokenError{Status: response.StatusCode}
	switch {
	case mediaType != "application/json":
		return Tokens{}, fmt.Errorf("the token endpoint answers %q with status %d, and not JSON", mediaType,
			response.StatusCode)
	case response.StatusCode != http.StatusOK:
		if json.Unmarshal(body, &failure) != nil || failure.Code == "" {
			failure.Code = "without an error code"
		}
		return Tokens{}, &failure
	}
	err = json.Unmarshal(body, &tokens)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return Tokens{}, fmt.Errorf("%s of the response is a %s, and must be of the type %s", wrong.Field, wrong.Value,
			wrong.Type)
	} else if err != nil {
		return Tokens{}, errors.New("the response of the token endpoint is malformed JSON")
	}
	return tokens, tokens.check()
}

func (t Tokens) check() error {
	switch {
	case t.AccessToken == "":
		return errors.New("the response has no access_token")
	case !strings.EqualFold(t.TokenType, "Bearer"):
		return fmt.Errorf("token_type of the response is %q, and must be Bearer", t.TokenType)
	case t.ExpiresIn == 0:
		return errors.New("the response has no expires_in, without which Alexa does not know when to refresh")
	case t.ExpiresIn < minLifetime:
		return fmt.Errorf("expires_in of the response is %d, and Alexa needs %d or more", t.ExpiresIn, minLifetime)
	}
	return nil
}

// CheckRefresh refreshes tokens as Alexa does over the life of a link, on its worse days too: once, again with the same
// refresh token as after a response that was lost, several times at once, and once more. It calls done with each that
// succeeded, and returns the newest tokens.
func (l Linking) CheckRefresh(ctx context.Context, tokens Tokens, done func(step string)) (Tokens, error) {
	for _, step := range []struct {
		name string
		run  func(context.Context, string) (Tokens, error)
		same bool // Alexa does not receive the response
	}{
		{"a refresh", l.Refresh, true},
		{"the same refresh token again, as after a lost response", l.Refresh, false},
		{fmt.Sprintf("%d refreshes at once", concurrentRefreshes), l.refreshAtOnce, false},
		{"a refresh after all of these", l.Refresh, false},
	} {
		refreshed, err := step.run(ctx, tokens.RefreshToken)
		if err != nil {
			return tokens, fmt.Errorf("%s: %w", step.name, err)
		}
		done(step.name)
		if !step.same {
			tokens = refreshed
		}
	}
	return tokens, nil
}

// concurrentRefreshes is how many refreshes CheckRefresh sends at once.
const concurrentRefreshes = 4

func (l Linking) refreshAtOnce(ctx context.Context, refreshToken string) (Tokens, error) {
	results, errs := make([]Tokens, concurrentRefreshes), make([]error, concurrentRefreshes)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { results[i], errs[i] = l.Refresh(ctx, refreshToken) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return Tokens{}, err
		}
	}
	return results[0], nil
}
