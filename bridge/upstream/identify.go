package upstream

import (
	"context"
	"encoding/json"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Identity is the person that the provider authenticated.
type Identity struct {
	Issuer  string
	Subject string // the value of the configured claim
	// Claims is a JSON object with the claims of the ID token and, if it was requested, of userinfo. The groups are always
	// under "groups", as a list of strings.
	Claims json.RawMessage
}

// signIn is one sign-in, from the authorization response to the identity. It collects the secrets that it meets, which
// must not be in an error.
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
