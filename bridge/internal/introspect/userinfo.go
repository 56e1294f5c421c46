package introspect

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
)

// Userinfo answers GET and POST /userinfo: whom the access token in the Bearer header belongs to (OIDC Core §5.3, RFC 6750).
// A token anywhere else is not looked at.
func (h *Handler) Userinfo(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="userinfo"`)
		oauth.WriteError(w, http.StatusUnauthorized, oauth.Errorf("invalid_request", "Send the access token as Bearer in the Authorization header."))
		return
	}
	claims, err := h.userinfo(token)
	switch {
	case errors.Is(err, bridge.ErrNotFound):
		w.Header().Set("WWW-Authenticate", `Bearer realm="userinfo", error="invalid_token"`)
		oauth.WriteError(w, http.StatusUnauthorized, oauth.Errorf("invalid_token", "The access token is not active."))
	case err != nil:
		h.deps.Log.Error("userinfo cannot tell", "ref", reference.FromContext(r.Context()), "error", err)
		w.Header().Set("Retry-After", "2")
		oauth.WriteError(w, http.StatusServiceUnavailable, oauth.Errorf(oauth.TemporarilyUnavailable, "Cannot tell now. This says nothing about the token."))
	default:
		oauth.WriteJSON(w, http.StatusOK, claims)
	}
}

// userinfo returns the claims of an active token, flat. ErrNotFound for any other.
func (h *Handler) userinfo(token string) ([]byte, error) {
	q := newQuestion(token)
	q.asker = h.anyone
	found, err := h.find(&q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Subject string        `json:"sub"`
		Issuer  string        `json:"upstream_iss"`
		Claims  bridge.Claims `json:"claims"`
	}
	if err := json.Unmarshal(found.answer, &answer); err != nil {
		return nil, err
	}
	answer.Claims["sub"], answer.Claims["upstream_iss"] = answer.Subject, answer.Issuer // never what a claim of that name says
	return json.Marshal(answer.Claims)
}

func bearer(r *http.Request) (string, bool) {
	authorization := r.Header.Values("Authorization")
	if len(authorization) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(authorization[0], " ")
	return token, found && strings.EqualFold(scheme, "Bearer") && token != ""
}
