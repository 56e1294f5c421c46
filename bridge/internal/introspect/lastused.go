package introspect

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/endpoint"
)

const (
	// touchInterval is how often last uses are written to the store.
	touchInterval = 10 * time.Second
	// maxPending bounds the uses that wait to be written. A link for which there is no room is recorded when it is
	// used again after retryAfter.
	maxPending = 20_000
	retryAfter = time.Minute
	// finalTimeout bounds the write when the server stops.
	finalTimeout = time.Second
	// touchBatch is how many uses one write has, so that no other write waits long for it.
	touchBatch = 100
)

// lastUsed collects which links were used, so that one write serves many lookups.
type lastUsed struct {
	deps endpoint.Deps

	mu      sync.Mutex
	pending map[string]bridge.Use // by link id
}

func newLastUsed(deps endpoint.Deps) *lastUsed {
	return &lastUsed{deps: deps, pending: map[string]bridge.Use{}}
}

// record records that the link of an entry was used, if the store does not know that yet, and updates the entry. It
// reports whether the entry changed.
func (l *lastUsed) record(entry *answercache.Entry, linkID string, alexaUser bridge.Hash, now time.Time) bool {
	userKnown := alexaUser == "" || userMark(alexaUser) == entry.User
	if userKnown && now.Unix()-entry.LastUsed < int64(bridge.UseGrain/time.Second) {
		return false
	}
	if linkID == "" {
		linkID = linkOf(entry).LinkID
	}
	entry.LastUsed = now.Unix()
	if !l.add(bridge.Use{LinkID: linkID, At: now, AlexaUser: alexaUser, TiedAt: now}) {
		entry.LastUsed = now.Add(retryAfter - bridge.UseGrain).Unix()
	}
	if alexaUser != "" {
		entry.User = userMark(alexaUser)
	}
	return true
}

// add adds a use to those that wait. It returns false if there is no room.
func (l *lastUsed) add(use bridge.Use) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	previous, ok := l.pending[use.LinkID]
	use = withTie(use, previous)
	if !ok && len(l.pending) >= maxPending {
		return false
	}
	l.pending[use.LinkID] = use
	return true
}

// withTie returns a use with the Alexa user of an earlier one of the same link, unless it has another.
func withTie(use, earlier bridge.Use) bridge.Use {
	if use.AlexaUser == "" || use.AlexaUser == earlier.AlexaUser {
		use.AlexaUser, use.TiedAt = earlier.AlexaUser, earlier.TiedAt
	}
	return use
}

// run writes uses to the store until the context ends, and then those that are left.
func (l *lastUsed) run(ctx context.Context) {
	ticker := time.NewTicker(touchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.write(ctx)
		case <-ctx.Done():
			final, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalTimeout)
			defer cancel()
			l.write(final)
			return
		}
	}
}

// write writes the uses that wait. If a write fails, the rest stay pending.
func (l *lastUsed) write(ctx context.Context) {
	uses := l.take()
	for len(uses) > 0 {
		n := min(len(uses), touchBatch)
		if err := l.writeBatch(ctx, uses[:n]); err != nil {
			l.deps.Log.Warn("last uses not written yet", "links", len(uses), "error", err)
			l.putBack(uses)
			return
		}
		uses = uses[n:]
	}
}

func (l *lastUsed) writeBatch(ctx context.Context, uses []bridge.Use) error {
	ctx, cancel := bridge.WithStoreTimeout(ctx)
	defer cancel()
	return l.deps.Store.TouchLinks(ctx, uses)
}

func (l *lastUsed) take() []bridge.Use {
	l.mu.Lock()
	defer l.mu.Unlock()
	uses := slices.Collect(maps.Values(l.pending))
	clear(l.pending)
	return uses
}

// putBack puts back uses that could not be written. If there is a newer one of the same link, it only gets the Alexa
// user.
func (l *lastUsed) putBack(uses []bridge.Use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, use := range uses {
		if newer, ok := l.pending[use.LinkID]; ok {
			l.pending[use.LinkID] = withTie(newer, use)
		} else if len(l.pending) < maxPending {
			l.pending[use.LinkID] = use
		}
	}
}

// linkOf returns the response of an entry, which alone names the link.
func linkOf(entry *answercache.Entry) (of response) {
	if err := json.Unmarshal(entry.Response, &of); err != nil {
		panic(err) // cannot happen: encodeResponse wrote it
	}
	return of
}

// userMark returns enough of the hash of an Alexa user id to tell it from another one; 0 for none.
func userMark(user bridge.Hash) uint64 {
	if len(user) < 16 {
		return 0
	}
	mark, err := strconv.ParseUint(string(user[:16]), 16, 64)
	if err != nil {
		return 0
	}
	return mark
}
