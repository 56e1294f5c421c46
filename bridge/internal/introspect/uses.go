package introspect

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
)

const (
	// noteEvery is how often uses are written.
	noteEvery = 10 * time.Second
	// maxUses bounds the uses that wait. A link that finds no room is tried again when it is used a while later.
	maxUses    = 20_000
	tryLater   = time.Minute
	lastWrite  = time.Second // is how long the writing at the end may take
	usesAtOnce = 100         // in one write, so that no other waits long for it
)

// uses collects which links were used, so that one write serves many lookups.
type uses struct {
	mu      sync.Mutex
	waiting map[string]bridge.Use // by link id
}

func newUses() *uses { return &uses{waiting: map[string]bridge.Use{}} }

// add takes a use down. False: there is no room.
func (u *uses) add(use bridge.Use) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	before, isThere := u.waiting[use.LinkID]
	if use.AlexaUser == "" {
		use.AlexaUser = before.AlexaUser
	}
	if !isThere && len(u.waiting) >= maxUses {
		return false
	}
	u.waiting[use.LinkID] = use
	return true
}

func (u *uses) take() []bridge.Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := slices.Collect(maps.Values(u.waiting))
	clear(u.waiting)
	return taken
}

// userOf is the hash of the Alexa user that the asker told, or empty.
func userOf(q *question) bridge.Hash {
	if q.alexaUser == "" {
		return ""
	}
	return bridge.HashOf(q.alexaUser)
}

// noteworthy says whether the store has something to learn from a use.
func (e *entry) noteworthy(now time.Time, user bridge.Hash) bool {
	known := user == "" || userMark(user) == e.user
	return !known || now.Unix()-e.lastUsed >= int64(bridge.UseGrain/time.Second)
}

// link is the id of the link.
func (e *entry) link() string {
	if e.linkID != "" {
		return e.linkID
	}
	var answer struct {
		LinkID string `json:"link_id"`
	}
	if err := json.Unmarshal(e.answer, &answer); err != nil {
		panic(err) // never: we wrote it
	}
	return answer.LinkID
}

// note takes a use down, and writes into the entry that it did.
func (h *Handler) note(found *entry, now time.Time, user bridge.Hash) {
	if !h.uses.add(bridge.Use{LinkID: found.link(), At: now, AlexaUser: user}) {
		found.lastUsed = now.Add(tryLater - bridge.UseGrain).Unix()
	} else {
		found.lastUsed = now.Unix()
	}
	if user != "" {
		found.user = userMark(user)
	}
}

// writeUses writes uses down until the context ends, and then those that are left.
func (h *Handler) writeUses(ctx context.Context) {
	ticker := time.NewTicker(noteEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.writeUsesOnce(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			h.writeUsesOnce(last)
			return
		}
	}
}

// writeUsesOnce writes what waits. From the first write that fails on, it waits longer, as far as there is room.
func (h *Handler) writeUsesOnce(ctx context.Context) {
	waiting := h.uses.take()
	for len(waiting) > 0 {
		n := min(len(waiting), usesAtOnce)
		if err := h.writeSome(ctx, waiting[:n]); err != nil {
			h.deps.Log.Warn("last uses not noted yet", "links", len(waiting), "error", err)
			h.uses.putBack(waiting)
			return
		}
		waiting = waiting[n:]
	}
}

func (h *Handler) writeSome(ctx context.Context, uses []bridge.Use) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return h.deps.Store.TouchLinks(ctx, uses)
}

// putBack takes uses back that could not be written, unless a newer one of the link came meanwhile.
func (u *uses) putBack(uses []bridge.Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range uses {
		if _, newer := u.waiting[use.LinkID]; !newer && len(u.waiting) < maxUses {
			u.waiting[use.LinkID] = use
		}
	}
}
