package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/upstream"
)

// Run does the work in the background until the context ends, and then finishes what it has started, but a question to
// a provider only if it is answered within a second; see [Server.Finish]. It returns an error only if the process must
// be restarted: [bridge.ErrStoreReplaced].
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(s.worked)
		s.work(ctx)
	}()
	err := s.introspect.Run(ctx)
	cancel()
	<-s.worked
	return err
}

// work does until the server is retired what no request waits for. The context ends later.
func (s *Server) work(ctx context.Context) {
	var group sync.WaitGroup
	untilRetired, stop := context.WithCancel(s.retired)
	defer context.AfterFunc(ctx, stop)()
	group.Go(func() { s.sweep(untilRetired, sweepInterval) })
	group.Go(func() { s.recheck.Run(untilRetired, ctx) }) // a question to a provider must not be cut off by a reload
	group.Go(func() { s.logUnnamed(untilRetired) })
	for _, provider := range s.upstreams {
		group.Go(func() { s.discover(untilRetired, provider) })
	}
	group.Wait()
}

const (
	sweepInterval = 30 * time.Second
	sweepTimeout  = time.Minute // most of it is left to other writers
	sweepLimit    = 100         // rows of a kind at a time, which are also the most links that one transaction revokes
)

// sweep removes rows that are no longer needed, at every interval.
func (s *Server) sweep(ctx context.Context, interval time.Duration) {
	swept := endpoint.Register(s.deps.Counters, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bridge_swept_rows_total",
		Help: "Rows removed from the store because they were no longer needed.",
	}))
	for sleep(ctx, interval) {
		for {
			removed, err := s.sweepOnce(ctx)
			if err != nil {
				s.deps.Log.Warn("sweep failed", "error", err)
			}
			swept.Add(float64(removed))
			if removed < sweepLimit {
				break
			}
		}
	}
}

func (s *Server) sweepOnce(ctx context.Context) (removed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	return s.deps.Store.Sweep(ctx, bridge.Sweep{Now: s.deps.Now(), Limit: sweepLimit,
		EndedRetention: s.retention.ended, AuditRetention: s.retention.audit})
}

const (
	discoveryFirstRetry = 4 * time.Second // doubled from one retry to the next
	discoveryMaxRetry   = 30 * time.Second
	discoveryInterval   = time.Hour
)

// discover fetches a provider's metadata before the first person needs it, retries while the provider is down, and
// keeps the metadata up to date.
func (s *Server) discover(ctx context.Context, provider *upstream.Provider) {
	log := s.deps.Log.With("provider", provider.ID())
	retry, last := discoveryFirstRetry, ""
	for {
		wait := discoveryInterval
		if found, err := provider.Rediscover(ctx); err == nil {
			logReady(log, found, &last)
			retry = discoveryFirstRetry
		} else if ctx.Err() == nil {
			logNotReady(log, err)
			last = ""
			wait, retry = retry, min(retry*2, discoveryMaxRetry)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// logReady says that people can sign in at a provider, and what was found there, when it is not what was said last.
func logReady(log *slog.Logger, found upstream.Discovery, last *string) {
	if text := fmt.Sprint(found); text != *last {
		*last = text
		log.Info("provider ready", "url", found.URL, "auth_method", found.AuthMethod, "algorithms", found.Algorithms,
			"keys", found.Keys, "keys_skipped", found.SkippedKeys)
	}
}

func logNotReady(log *slog.Logger, err error) {
	attrs := []any{"error", err}
	level := slog.LevelWarn
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		attrs = append(attrs, "stage", e.Stage, "hint", e.Hint)
		if e.Kind == upstream.Misconfigured {
			level = slog.LevelError
		}
	}
	log.Log(context.Background(), level, "provider not ready; nobody can sign in there until it is", attrs...)
}

// sleep waits, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
