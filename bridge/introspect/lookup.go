package introspect

import (
	"errors"
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
)

// maxAlexaUser is the longest Alexa user id (ALEXA's documentation of the request).
const maxAlexaUser = 255

// LookUp answers POST /lookup.
func (h *Handler) LookUp(w http.ResponseWriter, r *http.Request) {
	form, err := bridge.ReadForm(w, r)
	if err != nil {
		h.fail(w, bridge.FormStatus(err), outcomeBadRequest, bridge.Errorf(bridge.InvalidRequest, "%s.", err))
		return
	}
	backend, status, refused := h.authenticate(r, form)
	if refused != nil {
		outcome := outcomeBadRequest
		if status == http.StatusUnauthorized {
			outcome = outcomeUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="lookup"`)
		}
		h.fail(w, status, outcome, refused)
		return
	}
	token, user, refused := parameters(form)
	if refused != nil {
		h.fail(w, http.StatusBadRequest, outcomeBadRequest, refused)
		return
	}
	h.tell(w, r, &question{token: token, alexaUser: user, serves: backend.serves})
}

func parameters(form url.Values) (token, alexaUser string, err *bridge.Error) {
	for _, name := range []string{"token", "token_type_hint", "alexa_user_id"} {
		if _, once := bridge.Single(form, name); !once {
			return "", "", bridge.Errorf(bridge.InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	token, alexaUser = form.Get("token"), form.Get("alexa_user_id")
	if token == "" {
		return "", "", bridge.Errorf(bridge.InvalidRequest, "The parameter token is missing.")
	}
	if len(alexaUser) > maxAlexaUser {
		return "", "", bridge.Errorf(bridge.InvalidRequest, "The alexa_user_id is longer than %d bytes.", maxAlexaUser)
	}
	return token, alexaUser, nil
}

// tell answers a question that is well put.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, q *question) {
	found, err := h.find(r.Context(), q)
	switch {
	case errors.Is(err, bridge.ErrNotFound):
		h.counters.inactive.Inc()
		bridge.WriteJSON(w, http.StatusOK, []byte(`{"active":false}`))
	case err != nil:
		h.deps.Log.Error("lookup cannot tell", "ref", bridge.ReferenceFrom(r.Context()), "error", err)
		w.Header().Set("Retry-After", "2")
		h.fail(w, http.StatusServiceUnavailable, outcomeUnavailable,
			bridge.Errorf(bridge.TemporarilyUnavailable, "Cannot tell now. This says nothing about the token."))
	default:
		h.counters.active.Inc()
		bridge.WriteJSON(w, http.StatusOK, found.answer)
	}
}

func (h *Handler) fail(w http.ResponseWriter, status int, outcome string, fault *bridge.Error) {
	h.counters.outcomes.WithLabelValues(outcome).Inc()
	bridge.WriteError(w, status, fault)
}
