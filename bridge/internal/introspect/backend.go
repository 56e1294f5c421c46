package introspect

import (
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// asker is who asks, with what it may know.
type asker struct {
	*bridge.Backend        // nil: whoever has the token
	skills          []bool // by the place of a skill: whether it may know of its tokens
}

func (a *asker) serves(skill uint32) bool { return a.skills[skill] }

// askers are the backends by their ids.
func (h *Handler) newAskers() map[string]*asker {
	askers := map[string]*asker{}
	for id, backend := range h.config.Backends {
		a := &asker{Backend: backend, skills: make([]bool, len(h.places))}
		for _, skill := range backend.Skills {
			if place, known := h.places[skill]; known {
				a.skills[place] = true
			}
		}
		askers[id] = a
	}
	return askers
}

// asker finds a backend by its id and secret. One that is unknown takes as long as one whose secret is wrong.
func (h *Handler) asker(id, secret string) *asker {
	known := h.askers[id]
	if known == nil {
		(*bridge.Backend)(nil).HasSecret(secret)
		return nil
	}
	if !known.HasSecret(secret) {
		return nil
	}
	return known
}

// authenticate finds the backend that asks, by HTTP Basic or by client_id and client_secret in the body, never by both
// (RFC 6749 §2.3). An unknown id takes as long as a wrong secret, and is told apart from it by nothing.
func (h *Handler) authenticate(r *http.Request, form url.Values) (*asker, int, *oauth.Error) {
	credentials, err := oauth.ReadCredentials(r, form)
	if err != nil {
		return nil, http.StatusBadRequest, err
	}
	if credentials.Header && credentials.Body {
		return nil, http.StatusBadRequest, oauth.Errorf(oauth.InvalidRequest, "Authenticate in one way only.")
	}
	if found := h.asker(credentials.ID, credentials.Secret); found != nil {
		return found, http.StatusOK, nil
	}
	if found := h.asker(credentials.DecodedID, credentials.DecodedSecret); found != nil {
		return found, http.StatusOK, nil
	}
	return nil, http.StatusUnauthorized, oauth.Errorf(oauth.InvalidClient, "The backend did not authenticate.")
}
