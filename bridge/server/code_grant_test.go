package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// The skill "pizza" with [withCodeGrant] has two secrets, as while one is being replaced. The second has characters
// that HTTP Basic must encode (RFC 6749 section 2.3.1).
const (
	skillSecret    = "s3cret-of-the-pizza-skill-0123456789"
	newSkillSecret = "new+" + skillSecret + "/="
)

// pkceVerifier is a PKCE code verifier (RFC 7636).
const pkceVerifier = "a-verifier-of-forty-three-characters-or-more"

// pkceChallenge is the S256 code challenge of a verifier.
func pkceChallenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// challengeQuery is the part of an authorization request that has the challenge of [pkceVerifier].
func challengeQuery() string {
	return "&code_challenge=" + pkceChallenge(pkceVerifier) + "&code_challenge_method=S256"
}

// withCodeGrant is a change for [startBridge]: the skill "pizza" may use the code grant besides the implicit one.
// Codes live a minute, access tokens an hour.
func withCodeGrant(b *testBridge) {
	b.Skill.Grants = []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode}
	b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(skillSecret), bridge.NewSecret(newSkillSecret)}
	b.Skill.AccessLifetime, b.Skill.CodeLifetime = time.Hour, time.Minute
	b.KeepSecret(skillSecret, pkceVerifier)
}

// CodeRequest is [testBridge.Request] by the code grant.
func (b *testBridge) CodeRequest() simulator.Request {
	request := b.Request()
	request.ResponseType = "code"
	return request
}

// Code links Ada's account by the code grant and returns the code. The query is appended to the authorization
// request.
func (b *testBridge) Code(query string) string {
	b.Helper()
	phone, request := simulator.NewPhone(), b.CodeRequest()
	login := b.Open(phone, request.URL()+query)
	response := b.AuthorizationResponse(request, b.Decide(phone, b.SubmitLogin(phone, login, testbridge.Ada()), "link"))
	if response.Get("state") != request.State || response.Get("iss") != b.Config.PublicURL || response.Get("code") == "" {
		b.Fatalf("authorization response %v, want a code", response)
	}
	return response.Get("code")
}

// TokenRequest is a token request of the skill "pizza" as Alexa sends it, with HTTP Basic.
func (b *testBridge) TokenRequest(form url.Values) *http.Request {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/token", form)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	request.SetBasicAuth("pizza", skillSecret)
	return request
}

// Exchange presents a code, with further parameters as pairs of name and value.
func (b *testBridge) Exchange(code string, more ...string) (*http.Response, string) {
	b.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	for i := 0; i < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return b.Do(b.TokenRequest(form))
}

// Refresh presents a refresh token.
func (b *testBridge) Refresh(token string) (*http.Response, string) {
	b.Helper()
	return b.Do(b.TokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
}

// tokenResponse is a token response (RFC 6749 section 5.1).
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// LinkByCode links Ada's account by the code grant and returns the tokens.
func (b *testBridge) LinkByCode() tokenResponse {
	b.Helper()
	return b.WantTokens(b.Exchange(b.Code("")))
}

// WantTokens checks that a response of the token endpoint has tokens, and returns them.
func (b *testBridge) WantTokens(response *http.Response, body string) tokenResponse {
	b.Helper()
	var tokens tokenResponse
	err := json.Unmarshal([]byte(body), &tokens)
	if err != nil || response.StatusCode != http.StatusOK || tokens.AccessToken == "" {
		b.Fatalf("status %d, want tokens: %s", response.StatusCode, body)
	}
	b.KeepSecret(tokens.AccessToken, tokens.RefreshToken)
	return tokens
}
