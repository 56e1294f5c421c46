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

// flow is the state of one sign-in, in one browser. Each of its secrets is derived from the seed by
// HKDF-SHA256 under its own name, so that none can be computed from another.
type flow struct {
	seed     [bridge.TokenSeedSize]byte
	request  bridge.AuthorizationRequest
	provider string
	started  time.Time
	signedIn time.Time // zero: not yet
	inCookie bool      // it is in the browser's cookie
	outcome  outcome   // empty: none yet, or a link
	purpose  purpose

	person bridge.Identity // who signed in, as far as this request knows
}

// purpose is what a sign-in is for. It is sealed into the cookie of the flow, so that none can be finished as another.
type purpose string

// Purposes.
const (
	purposeLink  purpose = ""      // to link a skill
	purposeTest  purpose = "test"  // an operator's test sign-in, which makes no link
	purposeLinks purpose = "links" // to show a person their links
)

// outcome is why a flow cannot lead to a link any more. It is kept in the browser's cookie, so that no replica sends
// a code for the flow again, and only until the person goes back to Alexa or begins anew.
type outcome string

// Outcomes.
const (
	outcomeNotAllowed outcome = "not allowed" // the account may not link the skill
	outcomeSetupFault outcome = "setup fault" // the bridge and the provider are not set up for each other
)

func newFlow(request bridge.AuthorizationRequest, provider string, now time.Time) *flow {
	f := &flow{request: request, provider: provider, started: now}
	rand.Read(f.seed[:])
	return f
}

// attrs returns the attributes of log lines about the flow. It may be nil, or have only a request.
func (f *flow) attrs() []any {
	switch {
	case f == nil:
		return nil
	case f.started.IsZero():
		return []any{"client_id", f.request.ClientID}
	case f.purpose == purposeLinks:
		return []any{"flow", f.id(), "purpose", string(f.purpose), "provider", f.provider}
	}
	return []any{"flow", f.id(), "client_id", f.request.ClientID, "provider", f.provider}
}

// clientID returns the client id of the request, or "" for a nil flow.
func (f *flow) clientID() string {
	if f == nil {
		return ""
	}
	return f.request.ClientID
}

// login returns what is sent to the provider, and what its response is checked against. The state begins with the id
// of the flow, by which its cookie is found.
func (f *flow) login() upstream.Login {
	return upstream.Login{State: f.id() + f.secret("state"), Nonce: f.secret("nonce"), Verifier: f.secret("code verifier"),
		NoOffline: f.purpose != purposeLink}
}

// id distinguishes the flows of a browser. It is not secret.
func (f *flow) id() string { return f.secret("id")[:flowIDLength] }

// handle is the key of the flow's row in the store.
func (f *flow) handle() bridge.Hash { return bridge.HashOf(f.secret("handle")) }

// formToken proves that a form was sent from a page that was made for this flow.
func (f *flow) formToken() string { return f.secret("form token") }

// accessToken is the token that the link starts with. It can be sent again for a double tap without being stored.
func (f *flow) accessToken() string {
	return bridge.NewToken(bridge.AccessTokenKind, f.derive("access token"))
}

// grant is the grant that Alexa requested.
func (f *flow) grant() bridge.Grant {
	if f.request.ResponseType == bridge.ResponseTypeCode {
		return bridge.GrantAuthorizationCode
	}
	return bridge.GrantImplicit
}

// signedInAt returns when a person signed in, of whom the provider says when they authenticated, and whose code came at
// a time. Whoever had a session at the provider already may have signed in as soon as the flow began: a callback that
// comes late proves nothing.
func (f *flow) signedInAt(authenticated, came time.Time) time.Time {
	switch {
	case authenticated.Before(f.started):
		return f.started
	case authenticated.After(came): // by the provider's clock
		return came
	}
	return authenticated
}

// newLink returns a link with what its grant starts with: a token, or a code that is bound to the request.
func (f *flow) newLink(link bridge.Link, signedInAt time.Time, skill *bridge.Skill) bridge.NewLink {
	made := bridge.NewLink{Link: link, SignedInAt: signedInAt, MaxLinks: skill.MaxLinksPerPerson}
	if f.grant() == bridge.GrantAuthorizationCode {
		made.Code = &bridge.NewCode{
			Hash:          bridge.HashOf(f.code()),
			RedirectURI:   f.request.RedirectURI,
			CodeChallenge: f.request.CodeChallenge,
			ExpiresAt:     link.CreatedAt.Add(skill.CodeLifetime),
		}
		return made
	}
	made.Token = bridge.HashOf(f.accessToken())
	if skill.ImplicitLifetime > 0 {
		made.ExpiresAt = link.CreatedAt.Add(skill.ImplicitLifetime)
	}
	return made
}

// code is the authorization code that the link starts with. It can be sent again for a double tap without being
// stored.
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

// expired reports whether flowLifetime has passed since the flow started, or since the sign-in.
func (f *flow) expired(now time.Time) bool {
	last := f.started
	if f.signedIn.After(last) {
		last = f.signedIn
	}
	return now.Sub(last) >= flowLifetime
}
