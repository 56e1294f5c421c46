package upstream

import (
	"context"
	"slices"
	"time"
)

// RevocationToken authenticates a provider that asks to end what a person has (Global Token Revocation,
// draft-parecki-oauth-global-token-revocation).
type RevocationToken struct {
	// ID identifies the token, which must be accepted once.
	ID string
	// ExpiresAt is from when on the token is not accepted any more.
	ExpiresAt time.Time
}

// RevocationType is the typ of a [RevocationToken], and the name of the authentication method in server metadata.
const RevocationType = "global-token-revocation+jwt"

// VerifyRevocation verifies the JWT that authenticates a request at our Global Token Revocation endpoint, whose URL is
// the audience. That it is accepted once is left to the caller. The error is an [*Error], of [StageRevocation] if the
// JWT is not to be accepted.
func (p *Provider) VerifyRevocation(ctx context.Context, jwt, audience string) (RevocationToken, error) {
	claims, err := p.verifySigned(ctx, StageRevocation, jwt, func(typ string) bool { return typ == RevocationType })
	if err == nil {
		err = p.checkRevocation(claims, audience)
	}
	if err != nil {
		return RevocationToken{}, err
	}
	expiresAt, err := p.revocationTimes(claims)
	if err != nil {
		return RevocationToken{}, err
	}
	id, err := claims.text(StageRevocation, "jti")
	if err == nil && id == "" {
		err = misconfigured(StageRevocation, "", "jti is missing")
	}
	return RevocationToken{ID: id, ExpiresAt: expiresAt.Add(2 * clockSkew)}, err
}

func (p *Provider) checkRevocation(claims rawClaims, audience string) error {
	if err := p.checkIssuer(StageRevocation, claims); err != nil {
		return err
	}
	_, hasSub := claims["sub"]
	switch {
	case !slices.Equal(claims.list("aud"), []string{audience}):
		return misconfigured(StageRevocation, "let the provider send its requests to exactly "+audience,
			"aud is not the URL of the endpoint")
	case hasSub && claims.string("sub") != p.config.ClientID:
		return misconfigured(StageRevocation, hintClient, "sub is not our client id at the provider")
	}
	return nil
}

// revocationTimes checks the times of the JWT, and returns its expiry.
func (p *Provider) revocationTimes(claims rawClaims) (expiresAt time.Time, err error) {
	if expiresAt, err = p.timeOf(StageRevocation, claims, "exp", 0, maxTokenAge); err != nil {
		return time.Time{}, err
	}
	if expiresAt.IsZero() {
		return time.Time{}, misconfigured(StageRevocation, "", "exp is missing")
	}
	for _, name := range []string{"nbf", "iat"} {
		if _, err := p.timeOf(StageRevocation, claims, name, maxTokenAge, 0); err != nil {
			return time.Time{}, err
		}
	}
	return expiresAt, nil
}
