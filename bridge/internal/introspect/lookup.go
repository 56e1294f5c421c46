package introspect

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// maxAlexaUser is the longest Alexa user id (ALEXA's documentation of the request).
const maxAlexaUser = 255

// scratch is room for one lookup, used again by later ones.
type scratch struct {
	body, header, answer []byte
}

// Lookup answers POST /lookup.
func (h *Handler) Lookup(w http.ResponseWriter, r *http.Request) {
	room := h.scratch.Get().(*scratch)
	defer h.scratch.Put(room)
	body, err := oauth.ReadFormBody(r, room.body[:0])
	if err != nil {
		h.fail(w, oauth.FormStatus(err), outcomeBadRequest, oauth.Errorf(oauth.InvalidRequest, "%s.", err))
		return
	}
	room.body = body
	q, status, refused := h.ask(r, room)
	if refused != nil {
		outcome := outcomeBadRequest
		if status == http.StatusUnauthorized {
			outcome = outcomeUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="lookup"`)
		}
		h.fail(w, status, outcome, refused)
		return
	}
	q.buffer = room.answer
	h.tell(w, r, &q)
	room.answer = q.buffer
	if q.asked {
		// Those who were read by the same query write their answers now, too, before net/http sends one: while a processor does
		// the same again and again, its caches have all that it takes.
		runtime.Gosched()
	}
}

// ask reads who asks, and what. The usual request needs no more than a glance.
func (h *Handler) ask(r *http.Request, room *scratch) (q question, status int, refused *oauth.Error) {
	if token, plain := plainToken(room.body); plain {
		if asker := h.known.find(r.Header["Authorization"], room); asker != nil {
			return question{key: sha256.Sum256(token), wellFormed: true, asker: asker}, 0, nil
		}
	}
	form, err := oauth.ParseForm(room.body)
	if err != nil {
		return q, http.StatusBadRequest, oauth.Errorf(oauth.InvalidRequest, "%s.", err)
	}
	asker, status, refused := h.authenticate(r, form)
	if refused != nil {
		return q, status, refused
	}
	h.known.add(r.Header["Authorization"], asker)
	token, user, refused := parameters(form)
	q = newQuestion(token)
	q.alexaUser, q.asker = user, asker
	return q, http.StatusBadRequest, refused
}

// plainToken reads a form that is a well-formed access token and nothing else, written without escapes.
func plainToken(body []byte) (token []byte, plain bool) {
	token, found := bytes.CutPrefix(body, []byte("token="))
	return token, found && bridge.AccessTokenKind.WellFormedBytes(token)
}

func parameters(form url.Values) (token, alexaUser string, err *oauth.Error) {
	for _, name := range []string{"token", "token_type_hint", "alexa_user_id"} {
		if _, once := oauth.Single(form, name); !once {
			return "", "", oauth.Errorf(oauth.InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	token, alexaUser = form.Get("token"), form.Get("alexa_user_id")
	if token == "" {
		return "", "", oauth.Errorf(oauth.InvalidRequest, "The parameter token is missing.")
	}
	if len(alexaUser) > maxAlexaUser {
		return "", "", oauth.Errorf(oauth.InvalidRequest, "The alexa_user_id is longer than %d bytes.", maxAlexaUser)
	}
	return token, alexaUser, nil
}

// tell answers a question that is well put.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, q *question) {
	found, err := h.find(q)
	switch {
	case errors.Is(err, bridge.ErrNotFound):
		h.counters.inactive.Inc()
		oauth.WriteJSON(w, http.StatusOK, []byte(`{"active":false}`))
	case err != nil:
		h.deps.Log.Log(r.Context(), h.levelOf(r), "lookup cannot tell", "error", err)
		w.Header().Set("Retry-After", "2")
		h.fail(w, http.StatusServiceUnavailable, outcomeUnavailable,
			oauth.Errorf(oauth.TemporarilyUnavailable, "Cannot tell now. This says nothing about the token."))
	default:
		h.counters.active.Inc()
		oauth.WriteJSON(w, http.StatusOK, found.answer)
	}
}

// levelOf is how much a lookup that cannot tell is worth in the log: little when the backend hung up, or when the follower
// says already that the store is out of reach.
func (h *Handler) levelOf(r *http.Request) slog.Level {
	if r.Context().Err() != nil || h.follower.lost.Load() {
		return slog.LevelDebug
	}
	return slog.LevelError
}

func (h *Handler) fail(w http.ResponseWriter, status int, outcome string, fault *oauth.Error) {
	h.counters.outcomes.WithLabelValues(outcome).Inc()
	oauth.WriteError(w, status, fault)
}
