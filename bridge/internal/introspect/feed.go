package introspect

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
)

const (
	// feedInterval is how often the feed is read when the store sends no notifications.
	feedInterval = 250 * time.Millisecond
	// feedTimeout bounds one read of the feed.
	feedTimeout = time.Second
	// freshFor is the maximum age of the last successful read at which the cache may answer while reads succeed. A
	// process that was suspended asks the store until it has read the feed again.
	freshFor = time.Second
	// outageLogInterval is how often the log says that the store is out of reach.
	outageLogInterval = 10 * time.Second
)

// feedReader reads the feed of revocations, invalidates the revoked links' answers in the cache, and decides whether
// the cache is fresh enough to answer from.
type feedReader struct {
	deps     Deps
	cache    *answercache.Cache
	position bridge.Position

	started   time.Time
	ready     chan struct{}             // closed by the first successful read
	lastRead  atomic.Pointer[time.Time] // when the last successful read started; nil: none yet
	failing   atomic.Bool               // the last read failed
	failedAt  time.Time
	lastLogAt time.Time
}

func newFeedReader(deps Deps, cache *answercache.Cache) *feedReader {
	return &feedReader{deps: deps, cache: cache, started: deps.Now(), ready: make(chan struct{})}
}

// run reads the feed until the context ends, or until the store was replaced.
func (f *feedReader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.read(ctx); errors.Is(err, bridge.ErrStoreReplaced) {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, feedInterval)
		f.deps.Store.WaitForEvents(wait)
		cancel()
	}
	_ = f.read(context.WithoutCancel(ctx)) // so that the log has what was revoked until the end
	return nil
}

func (f *feedReader) read(ctx context.Context) error {
	started := f.deps.Now()
	readCtx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	feed, err := f.deps.Store.ReadFeed(readCtx, f.position)
	if err != nil {
		if ctx.Err() == nil { // otherwise the server is stopping
			f.recordFailure(started, err)
		}
		return err
	}
	if feed.Broken {
		f.cache.Clear()
		if f.position != (bridge.Position{}) { // not at the start
			f.deps.Log.Warn("revocations not known", "after", f.position.Count, "until", feed.Position.Count,
				"hint", "`links list` has the links that were revoked meanwhile")
		}
	}
	for _, event := range feed.Events {
		f.cache.Revoke(event.LinkID)
	}
	f.logRevoked(feed.Events)
	f.position = feed.Position
	if f.lastRead.Swap(&started) == nil {
		close(f.ready)
	}
	if f.failing.Swap(false) {
		f.deps.Log.Info("store reached again", "after", f.deps.Now().Sub(f.failedAt).String())
	}
	return nil
}

// maxRevokedLines is how many links are logged one by one when many are revoked at once.
const maxRevokedLines = 100

// logRevoked logs revocations and changes of claims, of this process and of others.
func (f *feedReader) logRevoked(events []bridge.Event) {
	if len(events) > maxRevokedLines {
		f.logManyRevoked(events)
		return
	}
	for _, event := range events {
		level, message := slog.LevelInfo, "link revoked"
		switch event.Reason {
		case bridge.ReasonClaimsChanged:
			message = "claims renewed"
		case bridge.ReasonCodeReplayed, bridge.ReasonRefreshReplayed:
			level = slog.LevelWarn // somebody else may hold the secret
		}
		f.deps.Log.Log(context.Background(), level, message, "link_id", event.LinkID, "client_id", event.ClientID,
			"reason", event.Reason, "actor", event.Actor, "event", event.Reason.AuditEvent())
	}
}

// logManyRevoked logs the links of one skill that were revoked for one reason by one actor together.
func (f *feedReader) logManyRevoked(events []bridge.Event) {
	links := map[bridge.Event][]string{} // by all but the link
	for _, event := range events {
		id := event.LinkID
		event.LinkID = ""
		links[event] = append(links[event], id)
	}
	for alike, ids := range links {
		message := "links revoked"
		if alike.Reason == bridge.ReasonClaimsChanged {
			message = "claims of links renewed"
		}
		for some := range slices.Chunk(ids, maxRevokedLines) {
			f.deps.Log.Info(message, "count", len(some), "client_id", alike.ClientID, "reason", alike.Reason,
				"actor", alike.Actor, "event", alike.Reason.AuditEvent(), "link_ids", some)
		}
	}
}

func (f *feedReader) recordFailure(now time.Time, err error) {
	if !f.failing.Swap(true) {
		f.failedAt, f.lastLogAt = now, time.Time{}
	}
	if now.Sub(f.lastLogAt) >= outageLogInterval {
		f.lastLogAt = now
		f.deps.Log.Error("store out of reach", "since", f.failedAt, "error", err)
	}
}

// age returns how long ago the last successful read started. Before the first one, ok is false, age is the time since
// the reader was made, and nothing in the cache can be trusted.
func (f *feedReader) age(now time.Time) (age time.Duration, ok bool) {
	if read := f.lastRead.Load(); read != nil {
		return elapsed(*read, now), true
	}
	return elapsed(f.started, now), false
}

// elapsed returns the longer of what the two clocks of a machine say: the monotonic one stops while the machine is
// suspended, the other one may be set back.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// mayUseCache reports whether the cache may answer instead of the store.
func (f *feedReader) mayUseCache(now time.Time) bool {
	age, ok := f.age(now)
	return ok && (age < min(freshFor, f.deps.MaxStaleness) || f.failing.Load() && age < f.deps.MaxStaleness)
}

// mayUseCacheOnError reports whether the cache may answer when the store cannot.
func (f *feedReader) mayUseCacheOnError(now time.Time) bool {
	age, ok := f.age(now)
	return ok && age < f.deps.MaxStaleness
}
