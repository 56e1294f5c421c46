package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/lookup"
)

// storeTimeout bounds how long a lookup waits for the store: a backend has a few seconds for all it does.
const storeTimeout = 2 * time.Second

// maxAlexaUser is the longest Alexa user id (ALEXA's documentation of the request).
const maxAlexaUser = 255

// Outcomes of a lookup, for the metrics.
const (
	outcomeActive       = "active"
	outcomeInactive     = "inactive"
	outcomeUnauthorized = "unauthorized"
	outcomeBadRequest   = "bad_request"
	outcomeUnavailable  = "unavailable"
)

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
	answer, err := h.answer(r.Context(), backend, token, user)
	if err != nil {
		h.deps.Log.Error("lookup cannot tell", "ref", bridge.ReferenceFrom(r.Context()), "error", err)
		w.Header().Set("Retry-After", "2")
		h.fail(w, http.StatusServiceUnavailable, outcomeUnavailable,
			bridge.Errorf(bridge.TemporarilyUnavailable, "Cannot tell now. This says nothing about the token."))
		return
	}
	h.succeed(w, answer)
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

// answer finds out what the backend may know of the token. An error says nothing about the token.
func (h *Handler) answer(ctx context.Context, backend *bridge.Backend, token, alexaUser string) (*lookup.Answer, error) {
	found, skill, err := h.find(ctx, token)
	if errors.Is(err, bridge.ErrNotFound) || err == nil && !slices.Contains(backend.Skills, skill.ClientID) {
		return &lookup.Answer{}, nil
	}
	if err != nil {
		return nil, err
	}
	h.uses.note(&found.Link, h.deps.Now(), alexaUser)
	return h.active(&found, skill), nil
}

// find returns an access token that is active, as far as store and configuration say, with its skill. ErrNotFound for any
// other; every other error says nothing about the token.
func (h *Handler) find(ctx context.Context, token string) (bridge.AccessToken, *bridge.Skill, error) {
	if !bridge.AccessTokenKind.WellFormed(token) {
		return bridge.AccessToken{}, nil, bridge.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	found, err := h.deps.Store.LookUp(ctx, bridge.HashOf(token))
	if err != nil {
		return bridge.AccessToken{}, nil, err
	}
	skill := h.config.Skills[found.Link.ClientID]
	if skill == nil || !found.Active(h.deps.Now()) || skill.Refusal(&found.Link, h.config.Providers[skill.Provider]) != "" {
		return bridge.AccessToken{}, nil, bridge.ErrNotFound
	}
	return found, skill, nil
}

func (h *Handler) active(token *bridge.AccessToken, skill *bridge.Skill) *lookup.Answer {
	answer := &lookup.Answer{
		Active:      true,
		Issuer:      h.config.PublicURL,
		Subject:     token.Link.Subject,
		ClientID:    token.Link.ClientID,
		Scope:       token.Link.Scope,
		TokenType:   "Bearer",
		IssuedAt:    token.IssuedAt.Unix(),
		LinkID:      token.Link.ID,
		Provider:    token.Link.Provider.ID,
		UpstreamISS: token.Link.Issuer,
		Claims:      token.Link.Claims.Only(skill.Claims),
	}
	if !token.ExpiresAt.IsZero() {
		answer.ExpiresAt = token.ExpiresAt.Unix()
	}
	return answer
}

func (h *Handler) succeed(w http.ResponseWriter, answer *lookup.Answer) {
	if !answer.Active {
		h.lookups.WithLabelValues(outcomeInactive).Inc()
		bridge.WriteJSON(w, http.StatusOK, []byte(`{"active":false}`))
		return
	}
	h.lookups.WithLabelValues(outcomeActive).Inc()
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // never: the claims came out of JSON
	}
	bridge.WriteJSON(w, http.StatusOK, body)
}

func (h *Handler) fail(w http.ResponseWriter, status int, outcome string, fault *bridge.Error) {
	h.lookups.WithLabelValues(outcome).Inc()
	bridge.WriteError(w, status, fault)
}
