package token

import (
	"errors"
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
)

// Revoke answers POST /revoke (RFC 7009): any live token ends the whole link. A token that is unknown, or another client's,
// gets 200 and changes nothing.
func (h *Handler) Revoke(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		oauth.WriteError(w, oauth.FormStatus(err), oauth.Errorf(oauth.InvalidRequest, "%s.", err))
		return
	}
	clients, fault := h.mayRevoke(r, form)
	if fault != nil {
		h.fail(w, fault)
		return
	}
	ctx, cancel := h.bounded(r)
	defer cancel()
	var link bridge.Link
	err = bridge.ErrNotFound // without a look at the store for what is no token
	if token := form.Get("token"); bridge.AccessTokenKind.WellFormed(token) || bridge.RefreshTokenKind.WellFormed(token) {
		link, err = h.deps.Store.RevokeByToken(ctx, bridge.HashOf(token), clients, h.deps.Now())
	}
	switch {
	case err == nil:
		h.deps.Log.Info("revoked", "ref", reference.FromContext(r.Context()), "link_id", link.ID, "client_id", link.ClientID)
	case !errors.Is(err, bridge.ErrNotFound):
		h.deps.Log.Error("store unavailable", "ref", reference.FromContext(r.Context()), "error", err)
		h.fail(w, oauth.Errorf(oauth.TemporarilyUnavailable, "Nothing was revoked. Try again."))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// mayRevoke says of which skills the caller may revoke tokens: a skill with a secret must authenticate, one without names
// itself and holds the token as its proof, and a backend may for the skills that it serves.
func (h *Handler) mayRevoke(r *http.Request, form url.Values) ([]string, *oauth.Error) {
	for _, name := range []string{"token", "token_type_hint"} {
		if _, once := oauth.Single(form, name); !once {
			return nil, oauth.Errorf(oauth.InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	credentials, fault := oauth.ReadCredentials(r, form)
	if fault != nil {
		return nil, fault
	}
	clients, known := h.revocable(credentials.ID, credentials.Secret)
	if !known {
		clients, known = h.revocable(credentials.DecodedID, credentials.DecodedSecret)
	}
	if !known {
		return nil, oauth.Errorf(oauth.InvalidClient, "The client did not authenticate.")
	}
	if form.Get("token") == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The parameter token is missing.")
	}
	return clients, nil
}

// revocable says of which skills whoever has these credentials may revoke tokens, if anybody has them.
func (h *Handler) revocable(id, secret string) (clients []string, known bool) {
	skill, backend := h.config.Skills[id], h.config.Backends[id]
	isSkill, isBackend := skill.HasSecret(secret), backend.HasSecret(secret)
	switch {
	case isSkill, skill != nil && len(skill.Secrets) == 0 && secret == "":
		return []string{skill.ClientID}, true
	case isBackend:
		return backend.Skills, true
	}
	return nil, false
}
