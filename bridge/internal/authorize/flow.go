package authorize

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	flowLifetime = 10 * time.Minute
	flowIDLength = 16
)

// flow is one browser's way through. Everything secret in it is derived from the seed by HKDF-SHA256, each under a name of
// its own, so that none of them tells anything about another.
type flow struct {
	seed     [bridge.TokenSeedSize]byte
	request  bridge.AuthorizationRequest
	provider string
	began    time.Time
	signedIn time.Time // zero: not yet
}

func newFlow(request bridge.AuthorizationRequest, provider string, now time.Time) *flow {
	f := &flow{request: request, provider: provider, began: now}
	rand.Read(f.seed[:])
	return f
}

// login is what the provider gets to see, and what its answer is held to. The state begins with the flow's id, by which its
// cookie is found.
func (f *flow) login() upstream.Login {
	return upstream.Login{State: f.id() + f.secret("state"), Nonce: f.secret("nonce"), Verifier: f.secret("code verifier")}
}

// id tells a browser's flows apart. It is not secret.
func (f *flow) id() string { return f.secret("id")[:flowIDLength] }

// handle finds the flow's row in the store.
func (f *flow) handle() bridge.Hash { return bridge.HashOf(f.secret("handle")) }

// formToken proves that an answer comes from a page that we made for this flow.
func (f *flow) formToken() string { return f.secret("form token") }

// accessToken is the token that the flow ends with, if it does. It can be written again for a second tap, and needs
// nobody to keep it.
func (f *flow) accessToken() string {
	return bridge.NewToken(bridge.AccessTokenKind, f.derive("access token"))
}

// grant is the grant that Alexa asked for.
func (f *flow) grant() bridge.Grant {
	if f.request.ResponseType == bridge.ResponseTypeCode {
		return bridge.GrantAuthorizationCode
	}
	return bridge.GrantImplicit
}

// begins gives a new link what its grant begins with: a token, or a code that is bound to the request.
func (f *flow) begins(made *bridge.NewLink, skill *bridge.Skill) {
	now := made.Link.CreatedAt
	if f.grant() == bridge.GrantAuthorizationCode {
		made.Code = &bridge.NewCode{
			Hash:          bridge.HashOf(f.code()),
			RedirectURI:   f.request.RedirectURI,
			CodeChallenge: f.request.CodeChallenge,
			ExpiresAt:     now.Add(skill.CodeLifetime),
		}
		return
	}
	made.Token = bridge.HashOf(f.accessToken())
	if skill.ImplicitLifetime > 0 {
		made.ExpiresAt = now.Add(skill.ImplicitLifetime)
	}
}

// code is the authorization code that the flow ends with, if it does, as accessToken is.
func (f *flow) code() string {
	return bridge.NewToken(bridge.CodeKind, f.derive("authorization code"))
}

func (f *flow) secret(name string) string {
	key := f.derive(name)
	return base64.RawURLEncoding.EncodeToString(key[:])
}

func (f *flow) derive(name string) [bridge.TokenSeedSize]byte {
	key, err := hkdf.Key(sha256.New, f.seed[:], nil, "alexa-oidc-bridge flow: "+name, bridge.TokenSeedSize)
	if err != nil {
		panic(err) // only for more than 255 hash lengths
	}
	return [bridge.TokenSeedSize]byte(key)
}

// over says whether the flow's time is over: to sign in, and then once more to decide.
func (f *flow) over(now time.Time) bool {
	last := f.began
	if f.signedIn.After(last) {
		last = f.signedIn
	}
	return now.Sub(last) >= flowLifetime
}
