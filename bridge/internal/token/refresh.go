package token

import (
	"context"
	"net/url"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// refresh issues a new access token (RFC 6749 §6).
func (h *Handler) refresh(ctx context.Context, skill *bridge.Skill, form url.Values) (*tokenResponse, error) {
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
		Honours:  h.permits,
	})
	if err != nil {
		return nil, err
	}
	if successor == "" {
		successor = presented
	}
	return newTokenResponse(skill, link, access, successor), nil
}
