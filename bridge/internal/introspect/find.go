package introspect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// question is a token that is asked about, by whom, and room to answer in.
type question struct {
	key        tokenKey
	wellFormed bool   // could be a token at all
	alexaUser  string // empty: not told
	asker      *asker
	buffer     []byte
	asked      bool // the store, and not only memory
}

// newQuestion asks about a token.
func newQuestion(token string) question {
	if !bridge.AccessTokenKind.WellFormed(token) {
		return question{}
	}
	return question{key: sha256.Sum256([]byte(token)), wellFormed: true}
}

// find returns an access token that is active, as far as store and configuration say. ErrNotFound for any other; every other
// error says nothing about the token.
func (h *Handler) find(q *question) (entry, error) {
	if !q.wellFormed {
		return entry{}, bridge.ErrNotFound
	}
	now := h.deps.Now() // not earlier: the body may have taken its time
	if h.follower.trusted(now) {
		if found, ok := h.recall(q); ok {
			return h.use(q, found, now, false)
		}
	}
	found, err := h.read(q)
	if err == nil {
		found, err = h.use(q, found, now, true)
	}
	if err == nil || errors.Is(err, bridge.ErrNotFound) {
		return found, err
	}
	now = h.deps.Now() // the store may have been waited for
	found, ok := h.recall(q)
	if !ok || !h.follower.lastResort(now) {
		return entry{}, err
	}
	return h.use(q, found, now, false)
}

func (h *Handler) recall(q *question) (found entry, ok bool) {
	found, ok, q.buffer = h.memory.get(&q.key, q.buffer)
	return found, ok
}

// use checks what was found against the time and the asker, notes that the link was used, and remembers what is new.
func (h *Handler) use(q *question, found entry, now time.Time, isNew bool) (entry, error) {
	if found.expires != 0 && now.Unix() >= found.expires || !q.asker.serves(found.skill) {
		return entry{}, bridge.ErrNotFound
	}
	if user := userOf(q); found.noteworthy(now, user) {
		h.note(&found, now, user)
		isNew = true
	}
	if isNew {
		q.buffer = h.memory.put(&q.key, &found, q.buffer)
	}
	return found, nil
}

// read asks the store. The answer stands in the question's buffer, behind the place for the rest of the entry.
func (h *Handler) read(q *question) (entry, error) {
	q.asked = true
	count := h.memory.count.Load() // before the reading, so that an end that comes meanwhile spoils it
	found, err := h.deps.Store.Lookup(h.patience.begin(), bridge.Hash(hex.EncodeToString(q.key[:])))
	switch {
	case err == nil || errors.Is(err, bridge.ErrNotFound):
		h.counters.reads.Inc()
	default:
		h.counters.readsFailed.Inc()
	}
	if err != nil {
		return entry{}, err
	}
	skill := h.config.Skills[found.Link.ClientID]
	if skill == nil || !found.Active(h.deps.Now()) || skill.Refusal(&found.Link, h.config.Providers[skill.Provider]) != "" {
		return entry{}, bridge.ErrNotFound
	}
	q.buffer = h.appendAnswer(slices.Grow(q.buffer[:0], entryHead)[:entryHead], &found, skill)
	return h.entryOf(&found, skill, count, q.buffer[entryHead:]), nil
}

func (h *Handler) entryOf(found *bridge.AccessToken, skill *bridge.Skill, count uint64, answer []byte) entry {
	made := entry{
		count:  count,
		user:   userMark(found.Link.AlexaUser),
		stripe: h.memory.stripeOf(found.Link.ID),
		skill:  h.places[skill.ClientID],
		answer: answer,
		linkID: found.Link.ID,
	}
	if !found.ExpiresAt.IsZero() {
		made.expires = found.ExpiresAt.Unix()
	}
	if !found.Link.LastUsedAt.IsZero() {
		made.lastUsed = found.Link.LastUsedAt.Unix()
	}
	return made
}
