package events

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
)

const (
	// eventMemory is how long an event is remembered, so that it acts once. No event is accepted for so long.
	eventMemory = 2 * time.Hour
	// maxAhead is how far ahead of the clock an event may have been created.
	maxAhead = 150 * time.Second
)

// emptyResponse is that of a skill which has nothing to say.
var emptyResponse = []byte(`{"version":"1.0","response":{}}`)

// Events serves POST /alexa/events.
func (h *Handler) Events(w http.ResponseWriter, r *http.Request) error {
	e, err := h.accept(r)
	if err != nil {
		return h.eventError(r, e, err)
	}
	effect, err := h.apply(r, &e)
	if err != nil {
		return h.eventError(r, e, err)
	}
	h.events.WithLabelValues(e.skill.ClientID, e.name(), effect.outcome).Inc()
	h.logEvent(r, &e, effect)
	oauth.WriteJSON(w, http.StatusOK, emptyResponse)
	return nil
}

// logEvent logs what an event did.
func (h *Handler) logEvent(r *http.Request, e *event, effect effect) {
	level := slog.LevelInfo
	attrs := []any{"ref", reference.FromContext(r.Context()), "client_id", e.skill.ClientID, "alexa_event", e.name(),
		"actor", e.actor(), "outcome", effect.outcome, "revoked", effect.revoked}
	if effect.outcome == outcomeMismatch {
		level = slog.LevelWarn
		attrs = append(attrs, "hint", "the token of the event is of another skill: give each skill its own skill_ids")
	}
	h.Log.Log(r.Context(), level, "alexa event", attrs...)
}

// name returns what metrics and the log call the event.
func (e *event) name() string {
	switch e.Type {
	case alexa.SkillAccountLinked, alexa.SkillDisabled:
		_, name, _ := strings.Cut(e.Type, ".")
		return name
	}
	return "other"
}

// effect is what an event did.
type effect struct {
	outcome string
	revoked int // links
}

// apply does what an event says. An event that was applied before is no error: Alexa sends one again whose response
// was lost.
func (h *Handler) apply(r *http.Request, e *event) (effect, error) {
	var do func(context.Context, *http.Request, *event) (effect, error)
	switch e.Type {
	case alexa.SkillAccountLinked:
		do = h.tie
	case alexa.SkillDisabled:
		do = h.end
	default:
		return effect{outcome: outcomeIgnored}, nil
	}
	if err := h.check(e); err != nil {
		return effect{}, err
	}
	ctx, cancel := bridge.WithStoreTimeout(context.WithoutCancel(r.Context())) // Alexa may not wait
	defer cancel()
	applied, err := do(ctx, r, e)
	if errors.Is(err, bridge.ErrTokenUsed) {
		return effect{outcome: outcomeReplayed}, nil
	}
	return applied, err
}

// check checks what decides which links an event is about.
func (h *Handler) check(e *event) error {
	switch {
	case e.UserID == "":
		return oauth.Errorf(oauth.InvalidRequest, "The event has no userId.")
	case e.at().IsZero():
		return oauth.Errorf(oauth.InvalidRequest, "The event has no eventCreationTime.")
	case e.at().After(h.Now().Add(maxAhead)):
		return oauth.Errorf(oauth.InvalidRequest, "The eventCreationTime of the event is in the future. Check the clock.")
	}
	return nil
}

// tie ties the Alexa user of an event to the link whose token it has.
func (h *Handler) tie(ctx context.Context, r *http.Request, e *event) (effect, error) {
	if !bridge.AccessTokenKind.WellFormed(e.AccessToken) {
		return effect{outcome: outcomeNoLink}, nil
	}
	link, err := h.Store.TieAlexaUser(ctx, bridge.AlexaTie{
		Token: bridge.HashOf(e.AccessToken), ClientID: e.skill.ClientID, AlexaUser: e.user(), At: e.at(), Now: h.Now(),
		Event: e.hash(), EventExpiresAt: h.Now().Add(eventMemory), Origin: h.Origin(r),
	})
	switch {
	case errors.Is(err, bridge.ErrNotFound), errors.Is(err, bridge.ErrRevoked):
		return effect{outcome: outcomeNoLink}, nil
	case errors.Is(err, bridge.ErrMismatch):
		return effect{outcome: outcomeMismatch}, nil
	case err != nil:
		return effect{}, err
	case link.Revoked(): // the user has disabled the skill meanwhile
		return effect{outcome: outcomeRevoked, revoked: 1}, nil
	}
	return effect{outcome: outcomeTied}, nil
}

// end ends the links that were tied to the Alexa user before the event.
func (h *Handler) end(ctx context.Context, r *http.Request, e *event) (effect, error) {
	filter := bridge.LinkFilter{ClientID: e.skill.ClientID, AlexaUser: e.user(), TiedUntil: e.at()}
	revoked, err := h.Store.Revoke(ctx, filter, bridge.Revocation{
		Reason: bridge.ReasonSkillDisabled, Actor: e.actor(), At: h.Now(), Origin: h.Origin(r),
		Token: e.hash(), TokenExpiresAt: h.Now().Add(eventMemory),
	})
	if err != nil {
		return effect{}, err
	}
	if len(revoked) == 0 {
		return effect{outcome: outcomeNone}, nil
	}
	return effect{outcome: outcomeRevoked, revoked: len(revoked)}, nil
}

// at returns when the event happened. That a person linked without a time of its own happened when it was sent, which
// the verifier has checked.
func (e *event) at() time.Time {
	if e.Type == alexa.SkillAccountLinked {
		return cmp.Or(e.CreatedAt, e.SentAt)
	}
	return e.CreatedAt
}

func (e *event) user() bridge.Hash { return bridge.AlexaUserHash(e.skill.ClientID, e.UserID) }

// hash identifies an event among all that were accepted, whoever sent it.
func (e *event) hash() bridge.Hash {
	return bridge.HashOf("alexa event\x00" + e.SkillID + "\x00" + e.ID)
}
