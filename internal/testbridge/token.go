package testbridge

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
)

// The skill "pizza" with [WithCodeGrant] has two secrets, as while one is being replaced. The second has characters that
// HTTP Basic must encode (RFC 6749 section 2.3.1).
const (
	SkillSecret    = "s3cret-of-the-pizza-skill-0123456789"
	NewSkillSecret = "new+" + SkillSecret + "/="
)

// Verifier is a PKCE code verifier (RFC 7636).
const Verifier = "a-verifier-of-forty-three-characters-or-more"

// Challenge is the S256 code challenge of a verifier.
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ChallengeQuery is the part of an authorization request that has the challenge of [Verifier].
func ChallengeQuery() string {
	return "&code_challenge=" + Challenge(Verifier) + "&code_challenge_method=S256"
}

// WithCodeGrant is a change for [Start]: the skill "pizza" may use the code grant besides the implicit one. Codes live a
// minute, access tokens an hour.
func WithCodeGrant(b *Bridge) {
	b.Skill.Grants = []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode}
	b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(SkillSecret), bridge.NewSecret(NewSkillSecret)}
	b.Skill.AccessLifetime, b.Skill.CodeLifetime = time.Hour, time.Minute
	b.KeepSecret(SkillSecret, Verifier)
}

// CodeRequest is [Bridge.Request] by the code grant.
func (b *Bridge) CodeRequest() simulator.Request {
	request := b.Request()
	request.ResponseType = "code"
	return request
}

// Code links Ada's account by the code grant and returns the code. The query is appended to the authorization request.
func (b *Bridge) Code(query string) string {
	b.Helper()
	phone, request := simulator.NewPhone(), b.CodeRequest()
	login := b.Open(phone, request.URL()+query)
	response := b.AuthorizationResponse(request, b.Decide(phone, b.SubmitLogin(phone, login, Ada()), "link"))
	if response.Get("state") != request.State || response.Get("iss") != b.Config.PublicURL || response.Get("code") == "" {
		b.Fatalf("authorization response %v, want a code", response)
	}
	return response.Get("code")
}

// TokenRequest is a token request of the skill "pizza" as Alexa sends it, with HTTP Basic.
func (b *Bridge) TokenRequest(form url.Values) *http.Request {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/token", form)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	request.SetBasicAuth("pizza", SkillSecret)
	return request
}

// Exchange presents a code, with further parameters as pairs of name and value.
func (b *Bridge) Exchange(code string, more ...string) (*http.Response, string) {
	b.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	for i := 0; i < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return b.Do(b.TokenRequest(form))
}

// Refresh presents a refresh token.
func (b *Bridge) Refresh(token string) (*http.Response, string) {
	b.Helper()
	return b.Do(b.TokenRequest(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
}

// Tokens is a token response (RFC 6749 section 5.1).
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// LinkByCode links Ada's account by the code grant and returns the tokens.
func (b *Bridge) LinkByCode() Tokens {
	b.Helper()
	return b.WantTokens(b.Exchange(b.Code("")))
}

// WantTokens checks that a response of the token endpoint has tokens, and returns them.
func (b *Bridge) WantTokens(response *http.Response, body string) Tokens {
	b.Helper()
	var tokens Tokens
	if err := json.Unmarshal([]byte(body), &tokens); err != nil || response.StatusCode != http.StatusOK || tokens.AccessToken == "" {
		b.Fatalf("status %d, want tokens: %s", response.StatusCode, body)
	}
	b.KeepSecret(tokens.AccessToken, tokens.RefreshToken)
	return tokens
}
