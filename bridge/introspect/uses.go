package introspect

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
)

const (
	// noteEvery is how often uses are written.
	noteEvery = 10 * time.Second
	// maxUses bounds the uses that wait; beyond it they are lost, and the link's next use is noted in their place.
	maxUses = 10_000
)

// uses collects which links were used, so that one write serves many lookups.
type uses struct {
	mu      sync.Mutex
	waiting map[string]bridge.Use // by link id
}

func newUses() *uses { return &uses{waiting: map[string]bridge.Use{}} }

// note takes a use down unless the store has nothing to learn from it.
func (u *uses) note(link *bridge.Link, now time.Time, alexaUser string) {
	use := bridge.Use{LinkID: link.ID, At: now}
	if alexaUser != "" {
		use.AlexaUser = bridge.HashOf(alexaUser)
	}
	known := use.AlexaUser == "" || use.AlexaUser == link.AlexaUser
	if known && now.Sub(link.LastUsedAt) < bridge.UseGrain {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if use.AlexaUser == "" {
		use.AlexaUser = u.waiting[link.ID].AlexaUser
	}
	if len(u.waiting) < maxUses {
		u.waiting[link.ID] = use
	}
}

func (u *uses) take() []bridge.Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := slices.Collect(maps.Values(u.waiting))
	clear(u.waiting)
	return taken
}

// Run writes uses down until the context ends, and then those that are left.
func (h *Handler) Run(ctx context.Context) {
	ticker := time.NewTicker(noteEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.noteUses(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			defer cancel()
			h.noteUses(last)
			return
		}
	}
}

func (h *Handler) noteUses(ctx context.Context) {
	uses := h.uses.take()
	if len(uses) == 0 {
		return
	}
	if err := h.deps.Store.NoteUses(ctx, uses); err != nil {
		h.deps.Log.Warn("last uses not noted", "links", len(uses), "error", err)
	}
}
