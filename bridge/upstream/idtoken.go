package upstream

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// clockSkew is how far a provider's clock may be behind ours, for the expiry of an ID token.
const clockSkew = time.Minute

// idToken validates the ID token (OIDC Core §3.1.3.7) and returns its claims. Package go-oidc checks signature,
// algorithm, issuer, audience and expiry; the rest is checked here.
func (s *signIn) idToken(ctx context.Context) (rawClaims, error) {
	reject := func(err error) error { return &RefusedError{Stage: StageIDToken, Err: err} }
	raw := rawIDToken(s.token)
	if raw == "" {
		return nil, reject(errors.New("the token response has no id_token; check that scopes contain openid"))
	}
	idToken, err := s.verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	var claims rawClaims
	if err := idToken.Claims(&claims); err != nil {
		return nil, reject(s.redact(err))
	}
	claims.dropNulls()
	nonce := []byte(claims.string("nonce"))
	switch {
	case s.login.Nonce == "" || subtle.ConstantTimeCompare(nonce, []byte(s.login.Nonce)) != 1:
		return nil, reject(errors.New("nonce does not match"))
	case idToken.AccessTokenHash != "" && idToken.VerifyAccessToken(s.token.AccessToken) != nil:
		return nil, reject(errors.New("at_hash does not match the access token"))
	case (claims["azp"] != nil || len(idToken.Audience) > 1) && claims.string("azp") != s.config.ClientID:
		return nil, reject(errors.New("azp is not our client id"))
	case claims.string("sub") == "":
		return nil, reject(errors.New("sub is missing"))
	}
	return claims, nil
}

// verify checks what go-oidc checks.
func (s *signIn) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	keySet := &recordingKeySet{KeySet: s.metadata.keySet}
	idToken, err := oidc.NewVerifier(s.config.Issuer, keySet, &oidc.Config{
		ClientID:             s.config.ClientID,
		SupportedSigningAlgs: s.metadata.Algorithms,
		Now:                  func() time.Time { return s.now().Add(-clockSkew) },
	}).Verify(ctx, raw)
	switch {
	case err == nil:
		return idToken, nil
	case keySet.err != nil && strings.HasPrefix(keySet.err.Error(), "fetching keys"):
		return nil, &UnavailableError{Stage: StageKeys, Err: s.redact(keySet.err)}
	}
	return nil, &RefusedError{Stage: StageIDToken, Err: s.redact(err)}
}

// recordingKeySet records the error of a signature, which the verifier does not wrap: keys that cannot be fetched are
// an outage, not a forged ID token.
type recordingKeySet struct {
	oidc.KeySet
	err error
}

func (k *recordingKeySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	k.err = err
	return payload, err
}
