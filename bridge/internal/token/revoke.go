package token

import (
	"errors"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Revoke serves POST /revoke (RFC 7009): any live token revokes the whole link. A token that is unknown or another
// client's is answered with 200 and changes nothing (RFC 7009 §2.2).
func (h *Handler) Revoke(w http.ResponseWriter, r *http.Request) error {
	err := h.revoke(r)
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		e := mapError(err, "token")
		e.Message, e.Err = "not revoked", err
		return e
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) revoke(r *http.Request) error {
	form, err := oauth.ReadForm(r)
	if err != nil {
		return err
	}
	if err := oauth.CheckRepeated(form, "token", "token_type_hint"); err != nil {
		return err
	}
	actor, clientIDs, err := h.Clients.AuthenticateRevocation(r, form)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if token == "" {
		return oauth.Errorf(oauth.InvalidRequest, "The parameter token is missing.")
	}
	if !bridge.AccessTokenKind.WellFormed(token) && !bridge.RefreshTokenKind.WellFormed(token) {
		return bridge.ErrNotFound
	}
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	by := bridge.Revocation{Reason: bridge.ReasonClient, Actor: actor, At: h.Now()}
	_, err = h.Store.RevokeByToken(ctx, bridge.HashOf(token), clientIDs, by)
	return err
}
