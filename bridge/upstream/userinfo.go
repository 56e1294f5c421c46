package upstream

import (
	"context"
	"errors"

	"golang.org/x/oauth2"
)

// userinfo requests the claims that are not in the ID token (OIDC Core §5.3).
func (s *signIn) userinfo(ctx context.Context, idToken rawClaims) (rawClaims, error) {
	info, err := s.metadata.provider.UserInfo(ctx, oauth2.StaticTokenSource(s.token))
	if err != nil {
		return nil, &UnavailableError{Stage: StageUserinfo, Err: s.redact(err)}
	}
	var claims rawClaims
	if err := info.Claims(&claims); err != nil {
		return nil, &UnavailableError{Stage: StageUserinfo, Err: s.redact(err)}
	}
	claims.dropNulls()
	// Otherwise the claims of another person would pass as this person's (OIDC Core §5.3.2).
	if claims.string("sub") != idToken.string("sub") {
		return nil, &RefusedError{Stage: StageUserinfo, Err: errors.New("sub is not that of the ID token")}
	}
	return claims, nil
}
