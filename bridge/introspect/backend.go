package introspect

import (
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
)

// authenticate finds the backend that asks, by HTTP Basic or by client_id and client_secret in the body, never by both
// (RFC 6749 §2.3). An unknown id takes as long as a wrong secret, and is told apart from it by nothing.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*bridge.Backend, int, *bridge.Error) {
	for _, name := range []string{"client_id", "client_secret"} {
		if _, once := bridge.Single(form, name); !once {
			return nil, http.StatusBadRequest, bridge.Errorf(bridge.InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	authorization := r.Header.Values("Authorization")
	switch {
	case len(authorization) > 1 || (len(authorization) == 1 && secret != ""):
		return nil, http.StatusBadRequest, bridge.Errorf(bridge.InvalidRequest, "Authenticate in one way only.")
	case len(authorization) == 0:
		return h.backend(id, secret)
	}
	basicID, basicSecret, ok := r.BasicAuth()
	if !ok {
		return h.backend("", "")
	}
	decodedID, decodedSecret := formDecoded(basicID), formDecoded(basicSecret)
	if id != "" && id != basicID && id != decodedID {
		return nil, http.StatusBadRequest, bridge.Errorf(bridge.InvalidRequest, "The client_id is not the one that authenticates.")
	}
	// Clients should form-encode id and secret before they build the header (RFC 6749 §2.3.1); many do not.
	backend, status, err := h.backend(basicID, basicSecret)
	if err != nil && (decodedID != basicID || decodedSecret != basicSecret) {
		backend, status, err = h.backend(decodedID, decodedSecret)
	}
	return backend, status, err
}

func (h *Handler) backend(id, secret string) (*bridge.Backend, int, *bridge.Error) {
	backend := h.config.Backends[id]
	if !backend.HasSecret(secret) {
		return nil, http.StatusUnauthorized, bridge.Errorf(bridge.InvalidClient, "The backend did not authenticate.")
	}
	return backend, http.StatusOK, nil
}

func formDecoded(text string) string {
	decoded, err := url.QueryUnescape(text)
	if err != nil {
		return text
	}
	return decoded
}
