package introspect

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// maxAlexaUser is the longest Alexa user id in bytes.
const maxAlexaUser = 255

// inactive is the response for a token that is not active (RFC 7662 §2.2).
var inactive = []byte(`{"active":false}`)

// buffers are the buffers of one lookup. They are used again by later ones.
type buffers struct {
	body, header, entry []byte
}

func newBuffers() *buffers {
	return &buffers{body: make([]byte, 0, 1<<10), header: make([]byte, 0, 1<<8), entry: make([]byte, 0, 1<<10)}
}

// Lookup serves POST /lookup.
func (h *Handler) Lookup(w http.ResponseWriter, r *http.Request) error {
	buffers := h.buffers.Get().(*buffers)
	defer h.buffers.Put(buffers)
	q, err := h.parseLookup(r, buffers)
	if err != nil {
		return h.lookupError(r, err)
	}
	entry, err := h.resolve(r.Context(), &q, &buffers.entry)
	switch {
	case errors.Is(err, bridge.ErrSuspended):
		h.metrics.outcomes.WithLabelValues(outcomeSuspended).Inc()
		oauth.WriteJSON(w, http.StatusOK, inactive)
	case isInactive(err):
		h.metrics.inactive.Inc()
		oauth.WriteJSON(w, http.StatusOK, inactive)
	case err != nil:
		return h.lookupError(r, err)
	default:
		h.metrics.active.Inc()
		oauth.WriteJSON(w, http.StatusOK, entry.Response)
	}
	return nil
}

// parseLookup authenticates the backend and reads the query. The usual request, of a known header and a plain token,
// is not parsed as a form.
func (h *Handler) parseLookup(r *http.Request, buffers *buffers) (q query, err error) {
	body, err := oauth.ReadFormBody(r, buffers.body[:0])
	if err != nil {
		return query{}, err
	}
	buffers.body = body
	if token, ok := plainToken(buffers.body); ok {
		header := r.Header["Authorization"]
		q.backend, buffers.header = h.Clients.BackendByHeader(header, buffers.header)
		if q.backend != nil {
			q.key, q.wellFormed = sha256.Sum256(token), true
			return q, nil
		}
	}
	form, err := oauth.ParseForm(buffers.body)
	if err != nil {
		return query{}, err
	}
	backend, err := h.Clients.AuthenticateBackend(r, form)
	if err != nil {
		return query{}, err
	}
	if err := checkParameters(form); err != nil {
		return query{}, err
	}
	q = newQuery(form.Get("token"))
	q.backend = backend
	q.alexaUserID = form.Get("alexa_user_id")
	return q, nil
}

// plainToken returns the token of a form that has a well-formed access token without escapes, and nothing else.
func plainToken(body []byte) (token []byte, ok bool) {
	token, found := bytes.CutPrefix(body, []byte("token="))
	return token, found && bridge.AccessTokenKind.WellFormedBytes(token)
}

func checkParameters(form url.Values) error {
	if err := oauth.CheckRepeated(form, "token", "token_type_hint", "alexa_user_id"); err != nil {
		return err
	}
	if form.Get("token") == "" {
		return oauth.Errorf(oauth.InvalidRequest, "The parameter token is missing.")
	}
	if len(form.Get("alexa_user_id")) > maxAlexaUser {
		return oauth.Errorf(oauth.InvalidRequest, "The alexa_user_id is longer than %d bytes.", maxAlexaUser)
	}
	return nil
}
