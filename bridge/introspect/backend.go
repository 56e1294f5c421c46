package introspect

import (
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
)

// authenticate finds the backend that asks, by HTTP Basic or by client_id and client_secret in the body, never by both
// (RFC 6749 §2.3). An unknown id takes as long as a wrong secret, and is told apart from it by nothing.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*bridge.Backend, int, *bridge.Error) {
	credentials, err := bridge.ReadCredentials(r, form)
	if err != nil {
		return nil, http.StatusBadRequest, err
	}
	if credentials.Header && credentials.Body {
		return nil, http.StatusBadRequest, bridge.Errorf(bridge.InvalidRequest, "Authenticate in one way only.")
	}
	if backend := h.config.Backends[credentials.ID]; backend.HasSecret(credentials.Secret) {
		return backend, http.StatusOK, nil
	}
	if backend := h.config.Backends[credentials.DecodedID]; backend.HasSecret(credentials.DecodedSecret) {
		return backend, http.StatusOK, nil
	}
	return nil, http.StatusUnauthorized, bridge.Errorf(bridge.InvalidClient, "The backend did not authenticate.")
}
