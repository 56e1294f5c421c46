package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Identity is the person that the provider authenticated.
type Identity struct {
	Issuer  string
	Subject string // the value of the configured claim
	// Claims is a JSON object with the claims of the ID token and, if it was requested, of userinfo. E-mail address,
	// name and groups are always under "email", "name" and "groups", the groups as a list of strings.
	Claims json.RawMessage
	// Sub and SID are the claims of the ID token by which the provider speaks of the person and of this sign-in later
	// (OIDC Core §2, Back-Channel Logout 1.0 §2.1). SID is empty if there is none.
	Sub, SID string
	// RefreshToken is for [Provider.Renew]. Empty: the provider issued none.
	RefreshToken string
	// AuthTime is when the person authenticated (OIDC Core §2); zero: the provider does not say.
	AuthTime time.Time
	// Unread says what the provider sent and we could not read, or did not send, though it was not needed.
	Unread []string
	// IDToken and Userinfo are JSON objects of the claims as the provider sent them. Userinfo is nil if there was none.
	IDToken, Userinfo json.RawMessage
}

// Response is the authorization response: what the provider sent to our callback.
type Response struct {
	Code                    string
	ISS                     string // RFC 9207; empty if absent
	Error, ErrorDescription string // instead of a code (RFC 6749 §4.1.2.1); the description is for the log only
}

// Wish names claims, beside the subject, for which userinfo is requested when the ID token lacks one of them.
type Wish struct {
	Needed []string // without them nobody can say whether the person may link
	Wanted []string // good to have
}

// minSecret is the length in bytes from which on a code or a token is kept out of the log. A shorter one is no secret,
// but made up so that its removal spoils the text around it.
const minSecret = 8

// signIn is one sign-in, from the authorization response to the identity. It collects the secrets that it meets,
// which must not be in an error.
type signIn struct {
	*Provider
	metadata             *metadata
	login                Login
	accessToken, idToken string
	refreshToken         string
	secrets              []string
	unread               []string
}

// Identify checks the authorization response, exchanges the code, verifies the ID token and returns the person it is
// about. It does not compare the state. The error is an [*Error].
func (p *Provider) Identify(ctx context.Context, login Login, response Response, wish Wish) (*Identity, error) {
	metadata, err := p.discovered(ctx)
	if err != nil {
		return nil, err
	}
	s := &signIn{Provider: p, metadata: metadata, login: login,
		secrets: []string{login.State, login.Nonce, login.Verifier}}
	s.keepOut(response.Code)
	if err := s.checkResponse(response); err != nil {
		return nil, err
	}
	if err := s.exchange(ctx, response.Code); err != nil {
		return nil, err
	}
	idToken, err := s.readIDToken(ctx)
	if err != nil {
		return nil, err
	}
	userinfo, err := s.complete(ctx, idToken, wish)
	if err != nil {
		return nil, err
	}
	identity, err := s.identity(idToken, userinfo, wish)
	if err == nil && !login.NoOffline {
		identity.RefreshToken = s.refreshToken
	}
	return identity, err
}

// keepOut keeps a code or a token out of the log.
func (s *signIn) keepOut(secret string) {
	if len(secret) >= minSecret {
		s.secrets = append(s.secrets, secret)
	}
}

// redact makes an error of a library fit for a log.
func (s *signIn) redact(err error) error { return s.Provider.redact(err, s.secrets...) }

// logText makes a text of the provider fit for a log.
func (s *signIn) logText(text string) string { return LogText(text, s.withOwn(s.secrets)...) }

// checkResponse checks the iss of a response (RFC 9207 §2.4), also of an error, and returns the error of an error
// response.
func (s *signIn) checkResponse(response Response) error {
	switch {
	case response.ISS == "" && s.metadata.requireISS:
		return misconfigured(StageResponse, "", "iss is missing, though the provider announces it (RFC 9207)")
	case response.ISS != "" && response.ISS != s.config.Issuer:
		return misconfigured(StageResponse, "", "iss is not the issuer (RFC 9207)")
	case response.Error == "" && response.Code == "":
		return misconfigured(StageResponse, "remove a response_mode from auth_params", "neither a code nor an error")
	case response.Error == "":
		return nil
	}
	code := response.Error
	if response.ErrorDescription == "authentication_expired" { // of Keycloak, beside temporarily_unavailable
		code = "invalid_grant"
	}
	return errorOfCode(StageResponse, code, fmt.Errorf("error %q, description %q",
		s.logText(response.Error), s.logText(response.ErrorDescription)))
}

// complete requests userinfo (OIDC Core §5.3) if the ID token lacks a claim that is needed or wanted. A userinfo
// endpoint that cannot help fails the sign-in only if a claim is needed.
func (s *signIn) complete(ctx context.Context, idToken rawClaims, wish Wish) (rawClaims, error) {
	needed := s.missing(idToken, wish.Needed)
	if idToken.at([]string{s.config.SubjectClaim}) == nil {
		needed = append(needed, s.config.SubjectClaim)
	}
	missing := append(needed, s.missing(idToken, wish.Wanted)...)
	if len(missing) == 0 || s.metadata.userinfoURL == "" || s.accessToken == "" {
		return nil, nil
	}
	userinfo, err := s.userinfo(ctx, idToken.string("sub"))
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == Misconfigured && len(needed) == 0 {
		s.unread = append(s.unread, "userinfo: "+e.Err.Error())
		return nil, nil
	}
	return userinfo, err
}

// missing returns those of the named claims that the provider's claims lack.
func (p *Provider) missing(claims rawClaims, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return claims.at(p.pathOf(name)) != nil })
}

var errOtherSub = errors.New("sub is not that of the ID token")

// userinfo requests the claims of the person with a sub.
func (s *signIn) userinfo(ctx context.Context, sub string) (rawClaims, error) {
	const hint = "let the provider put the claims into the ID token, or correct its userinfo endpoint"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metadata.userinfoURL, nil)
	if err != nil {
		return nil, misconfigured(StageUserinfo, hint, "userinfo_endpoint is not a URL")
	}
	request.Header.Set("Authorization", "Bearer "+s.accessToken)
	got, err := s.do(request)
	if err != nil {
		return nil, s.transportError(StageUserinfo, err, s.secrets...)
	}
	if got.status != http.StatusOK {
		e := statusError(StageUserinfo, got)
		e.Hint = hint
		return nil, e
	}
	if mediaType, _, _ := mime.ParseMediaType(got.contentType); mediaType == "application/jwt" {
		if got.body, err = s.verifyUserinfo(ctx, string(got.body)); err != nil {
			return nil, misconfigured(StageUserinfo, hint, "the signature: %w", s.redact(err))
		}
	}
	var claims rawClaims
	if err := json.Unmarshal(got.body, &claims); err != nil || claims == nil {
		return nil, misconfigured(StageUserinfo, hint, "the response is not a JSON object")
	}
	claims.dropNulls()
	// Otherwise the claims of another person would pass as this person's (OIDC Core §5.3.2).
	if claims.string("sub") != sub {
		return nil, misconfigured(StageUserinfo, hint, "%w", errOtherSub)
	}
	return claims, nil
}

// verifyUserinfo returns the payload of a signed response (OIDC Core §5.3.2).
func (s *signIn) verifyUserinfo(ctx context.Context, jwt string) ([]byte, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, name := range s.metadata.algorithms {
		algorithms = append(algorithms, jose.SignatureAlgorithm(name))
	}
	if _, err := jose.ParseSigned(jwt, algorithms); err != nil {
		return nil, err
	}
	return s.metadata.keys.VerifySignature(ctx, jwt)
}
