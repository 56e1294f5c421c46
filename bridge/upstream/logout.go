package upstream

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// LogoutToken is what a provider says when a session of a person ends (OpenID Connect Back-Channel Logout 1.0 §2.4).
type LogoutToken struct {
	// Sub and SID are the person and the session. At least one is not empty. Without SID, all sessions of the person have
	// ended.
	Sub, SID string
	// ID identifies the token, which must be accepted once.
	ID string
	// ExpiresAt is from when on the token is not accepted any more.
	ExpiresAt time.Time
}

// logoutEvent is the member of events by which a JWT is a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// VerifyLogout verifies a logout token (Back-Channel Logout 1.0 §2.6). That it is accepted once is left to the caller.
// The error is an [*Error], of [StageLogout] if the token is not to be accepted.
//
// A token must be explicitly typed or not typed at all: what tells it from an ID token is then that it has the event
// and no nonce. Its exp, required since errata set 1 of December 2023, may be missing, since it must be recent anyway.
func (p *Provider) VerifyLogout(ctx context.Context, jwt string) (LogoutToken, error) {
	claims, err := p.verifySigned(ctx, StageLogout, jwt, func(typ string) bool {
		typ = strings.TrimPrefix(strings.ToLower(typ), "application/") // RFC 7515 §4.1.9
		return typ == "logout+jwt" || typ == "jwt" || typ == ""
	})
	if err == nil {
		err = p.checkLogout(claims)
	}
	if err != nil {
		return LogoutToken{}, err
	}
	issuedAt, err := p.logoutTimes(claims)
	if err != nil {
		return LogoutToken{}, err
	}
	return readLogout(claims, issuedAt.Add(maxTokenAge+2*clockSkew))
}

// checkLogout checks what makes a JWT a logout token of this provider for us.
func (p *Provider) checkLogout(claims rawClaims) error {
	if err := p.checkIssuer(StageLogout, claims); err != nil {
		return err
	}
	var events rawClaims
	_ = json.Unmarshal(claims["events"], &events)
	audience := claims.list("aud")
	_, hasNonce := claims["nonce"]
	switch {
	case !slices.Contains(audience, p.config.ClientID),
		(claims["azp"] != nil || len(audience) > 1) && claims.string("azp") != p.config.ClientID: // as of an ID token
		return misconfigured(StageLogout, hintClient, "aud is not our client id, or azp is another's")
	case hasNonce:
		return misconfigured(StageLogout, "", "it has a nonce, as an ID token")
	case !isObject(events[logoutEvent]):
		return misconfigured(StageLogout, "", "events has no object %s", logoutEvent)
	}
	return nil
}

func isObject(value json.RawMessage) bool {
	var object rawClaims
	return json.Unmarshal(value, &object) == nil && object != nil
}

// logoutTimes checks the times of a logout token, and returns when it was issued.
func (p *Provider) logoutTimes(claims rawClaims) (issuedAt time.Time, err error) {
	if issuedAt, err = p.timeOf(StageLogout, claims, "iat", maxTokenAge, 0); err != nil {
		return time.Time{}, err
	}
	if issuedAt.IsZero() {
		return time.Time{}, misconfigured(StageLogout, "", "iat is missing")
	}
	if _, err := p.timeOf(StageLogout, claims, "exp", 0, ever); err != nil {
		return time.Time{}, err
	}
	_, err = p.timeOf(StageLogout, claims, "nbf", ever, 0)
	return issuedAt, err
}

// readLogout returns what a logout token says.
func readLogout(claims rawClaims, expiresAt time.Time) (LogoutToken, error) {
	token := LogoutToken{ExpiresAt: expiresAt}
	for name, text := range map[string]*string{"sub": &token.Sub, "sid": &token.SID, "jti": &token.ID} {
		var err error
		if *text, err = claims.text(StageLogout, name); err != nil {
			return LogoutToken{}, err
		}
	}
	switch {
	case token.Sub == "" && token.SID == "":
		return LogoutToken{}, misconfigured(StageLogout, "", "neither sub nor sid")
	case token.ID == "":
		return LogoutToken{}, misconfigured(StageLogout, "", "jti is missing")
	}
	return token, nil
}
