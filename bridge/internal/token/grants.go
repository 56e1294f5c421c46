package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// redeem exchanges a code for the first tokens of its link (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (h *Handler) redeem(ctx context.Context, skill *bridge.Skill, form url.Values, origin bridge.Origin) (
	*tokenResponse, error) {
	code := form.Get("code")
	if code == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The parameter code is missing.")
	}
	challenge, ok := challengeOf(form.Get("code_verifier"))
	if !ok {
		return nil, bridge.ErrMismatch
	}
	if !bridge.CodeKind.WellFormed(code) {
		return nil, bridge.ErrNotFound
	}
	now := h.Now()
	access, refresh := bridge.NewRandomToken(bridge.AccessTokenKind), bridge.NewRandomToken(bridge.RefreshTokenKind)
	link, err := h.Store.Redeem(ctx, bridge.Redemption{
		Code:          bridge.HashOf(code),
		ClientID:      skill.ClientID,
		RedirectURI:   form.Get("redirect_uri"),
		CodeChallenge: challenge,
		Tokens:        newTokens(skill, now, access, refresh),
		MaxLinks:      skill.MaxLinksPerPerson,
		Now:           now,
		Permits:       h.permits,
		Origin:        origin,
	})
	if err != nil {
		return nil, err
	}
	h.Log.Info("code redeemed", "ref", origin.Ref, "client_id", link.ClientID, "provider", link.Provider.ID,
		"link_id", link.ID, "event", bridge.AuditRedeemed, "actor", bridge.ActorSkill(link.ClientID), "address",
		origin.Address)
	return newTokenResponse(skill, link, access, refresh), nil
}

var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// challengeOf returns the S256 challenge of a code verifier (RFC 7636 §4.2), or "" for none.
func challengeOf(verifier string) (challenge string, ok bool) {
	if verifier == "" {
		return "", true
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]), verifierForm.MatchString(verifier)
}

// refresh issues a new access token (RFC 6749 §6).
func (h *Handler) refresh(ctx context.Context, skill *bridge.Skill, form url.Values, origin bridge.Origin) (
	*tokenResponse, error) {
	presented := form.Get("refresh_token")
	if presented == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The parameter refresh_token is missing.")
	}
	if !bridge.RefreshTokenKind.WellFormed(presented) {
		return nil, bridge.ErrNotFound
	}
	now := h.Now()
	access, successor := bridge.NewRandomToken(bridge.AccessTokenKind), ""
	if skill.RotateRefresh {
		successor = bridge.NewRandomToken(bridge.RefreshTokenKind)
	}
	link, err := h.Store.Refresh(ctx, bridge.Refresh{
		Token:    bridge.HashOf(presented),
		ClientID: skill.ClientID,
		Tokens:   newTokens(skill, now, access, successor),
		Now:      now,
		Scope:    form.Get("scope"),
		Permits:  h.permits,
		Origin:   origin,
	})
	if err != nil {
		return nil, err
	}
	h.recheckFrom(&link, h.Clients.RecheckAt(&link))
	if successor == "" {
		successor = presented
	}
	return newTokenResponse(skill, link, access, successor), nil
}
