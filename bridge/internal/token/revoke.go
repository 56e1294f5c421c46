package token

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Revoke serves POST /revoke (RFC 7009): any live token revokes the whole link. A token that is unknown or another
// client's is answered with 200 and changes nothing (RFC 7009 §2.2).
func (h *Handler) Revoke(w http.ResponseWriter, r *http.Request) error {
	err := h.revoke(r)
	if e, ok := errors.AsType[*httperror.Error](err); ok {
		return e
	}
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		e := mapError(err)
		e.Message, e.Err = "not revoked", err
		return e
	}
	oauth.WriteEmpty(w, http.StatusOK)
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
	if h.isPublic(actor, clientIDs) {
		return h.revokePublic(r, form.Get("token"), actor, clientIDs)
	}
	return h.revokeToken(r, form.Get("token"), actor, clientIDs)
}

// revokePublic revokes for a skill without a secret. A live token is never limited, but may wait for its turn.
func (h *Handler) revokePublic(r *http.Request, token string, actor bridge.Actor, clientIDs []string) error {
	exhausted := h.Failures.Wait(r)
	release, err := h.publicRevocations.Acquire(r.Context(), h.Failures.Network(r), exhausted == 0)
	if err != nil {
		return httperror.TooMany(max(exhausted, time.Second), fmt.Errorf("revocation requests without a secret: %w", err))
	}
	defer release()
	err = h.revokeToken(r, token, actor, clientIDs)
	if !errors.Is(err, bridge.ErrNotFound) {
		return err
	}
	if wait := h.Failures.Take(r); wait > 0 {
		return httperror.TooMany(wait, errors.New("too many unknown tokens from this address"))
	}
	return err
}

// isPublic reports whether a revocation request was sent by a skill without a secret: anybody can send that.
func (h *Handler) isPublic(actor bridge.Actor, clientIDs []string) bool {
	if len(clientIDs) != 1 || actor != bridge.ActorSkill(clientIDs[0]) {
		return false
	}
	skill := h.Clients.Skill(clientIDs[0])
	return skill != nil && len(skill.Secrets) == 0
}

func (h *Handler) revokeToken(r *http.Request, token string, actor bridge.Actor, clientIDs []string) error {
	if token == "" {
		return oauth.Errorf(oauth.InvalidRequest, "The parameter token is missing.")
	}
	if !bridge.AccessTokenKind.WellFormed(token) && !bridge.RefreshTokenKind.WellFormed(token) {
		return bridge.ErrNotFound
	}
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	by := bridge.Revocation{Reason: bridge.ReasonClient, Actor: actor, At: h.Now(), Origin: h.Origin(r)}
	_, err := h.Store.RevokeByToken(ctx, bridge.HashOf(token), clientIDs, by)
	return err
}
