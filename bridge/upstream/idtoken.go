package upstream

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// clockSkew is how far a provider's clock may be behind ours, for the expiry of an ID token.
const clockSkew = time.Minute

// readIDToken validates the ID token of a sign-in (OIDC Core §3.1.3.7) and returns its claims.
func (s *signIn) readIDToken(ctx context.Context) (rawClaims, error) {
	if s.idToken == "" {
		return nil, misconfigured(StageIDToken, "let scopes contain openid", "the token response has no id_token")
	}
	claims, err := s.validIDToken(ctx)
	if err != nil {
		return nil, err
	}
	nonce := []byte(claims.string("nonce"))
	switch {
	case len(nonce) == 0:
		return nil, misconfigured(StageIDToken, "let the provider repeat the nonce (OIDC Core §3.1.3.6)", "nonce is missing")
	case s.login.Nonce == "" || subtle.ConstantTimeCompare(nonce, []byte(s.login.Nonce)) != 1:
		return nil, &Error{Kind: Outdated, Stage: StageIDToken, Err: errors.New("nonce does not match")}
	}
	return claims, nil
}

// validIDToken validates the ID token but for its nonce. Package go-oidc checks signature, algorithm, issuer, audience
// and times; the rest is checked here.
func (s *signIn) validIDToken(ctx context.Context) (rawClaims, error) {
	if strings.HasPrefix(strings.TrimSpace(s.idToken), "{") {
		return nil, misconfigured(StageIDToken, "", "the id_token is not in compact serialization (OIDC Core §2)")
	}
	claims, idToken, err := s.verify(ctx)
	if e, ok := errors.AsType[*signatureError](err); ok {
		if newer := s.refreshed(ctx, s.metadata); newer != s.metadata { // the provider may have changed its keys
			s.metadata = newer
			claims, idToken, err = s.verify(ctx)
		} else {
			err = e
		}
	}
	if err != nil {
		return nil, s.idTokenError(err)
	}
	claims.dropNulls()
	switch {
	case s.accessToken != "" && idToken.AccessTokenHash != "" && idToken.VerifyAccessToken(s.accessToken) != nil:
		return nil, misconfigured(StageIDToken, "let the provider compute at_hash as OIDC Core §3.1.3.6 says",
			"at_hash does not match the access token")
	case (claims["azp"] != nil || len(idToken.Audience) > 1) && claims.string("azp") != s.config.ClientID:
		return nil, misconfigured(StageIDToken, "let the provider send aud with this client only, or azp with its client id",
			"azp is not our client id")
	case claims.string("sub") == "":
		return nil, misconfigured(StageIDToken, "", "sub is missing")
	}
	return claims, nil
}

// verify checks what go-oidc checks. Its error is a [*signatureError] when other metadata might help.
func (s *signIn) verify(ctx context.Context) (rawClaims, *oidc.IDToken, error) {
	keySet := &recordingKeySet{KeySet: &s.metadata.keys}
	idToken, err := oidc.NewVerifier(s.config.Issuer, keySet, &oidc.Config{
		ClientID:             s.config.ClientID,
		SupportedSigningAlgs: s.metadata.algorithms,
		Now:                  func() time.Time { return s.now().Add(-clockSkew) },
	}).Verify(ctx, s.idToken)
	if err != nil && (!keySet.called || keySet.err != nil) {
		return nil, nil, &signatureError{err, keySet.called}
	}
	return keySet.payload, idToken, err
}

// signatureError means that no known key or no accepted algorithm made the signature.
type signatureError struct {
	error
	accepted bool // the algorithm is accepted
}

// idTokenError says what the failed check of an ID token means.
func (s *signIn) idTokenError(err error) error {
	text := s.redact(err)
	if e, ok := errors.AsType[*signatureError](err); ok {
		if !e.accepted {
			algorithm := algorithmOf(s.idToken)
			return misconfigured(StageIDToken, algorithmHint(algorithm), "%w; its algorithm is %q", text, algorithm)
		}
		return misconfigured(StageKeys, "let the provider sign by a key of its key set; Entra ID publishes the key of an "+
			"application at the discovery_url with ?appid=CLIENT-ID only", "%w", text)
	}
	_, expired := errors.AsType[*oidc.TokenExpiredError](err)
	switch {
	case expired, strings.HasPrefix(err.Error(), "oidc: current time"): // before nbf
		return &Error{Kind: Outdated, Stage: StageIDToken, Err: text,
			Hint: "compare the clocks of this machine and of the provider"}
	case strings.HasPrefix(err.Error(), "oidc: expected audience"):
		return misconfigured(StageIDToken, hintClient, "%w", text)
	case strings.HasPrefix(err.Error(), "oidc: id token issued by a different provider"):
		return misconfigured(StageIDToken, "set issuer to exactly the iss of the provider's ID tokens", "%w", text)
	}
	return misconfigured(StageIDToken, "", "%w", text)
}

// algorithmHint says what to do about an ID token whose algorithm is not accepted.
func algorithmHint(algorithm string) string {
	switch {
	case strings.HasPrefix(algorithm, "RSA") || strings.HasPrefix(algorithm, "ECDH") || algorithm == "dir":
		return "switch off the encryption of ID tokens for this client"
	case slices.Contains(asymmetric(), algorithm):
		return "let the provider's metadata announce this algorithm in id_token_signing_alg_values_supported"
	}
	return hintAlgorithm
}

// algorithmOf returns the alg of a JWT's header, or "".
func algorithmOf(jwt string) string {
	encoded, _, _ := strings.Cut(jwt, ".")
	header, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	var claims rawClaims
	if err := json.Unmarshal(header, &claims); err != nil {
		return ""
	}
	return LogText(claims.string("alg"))
}
