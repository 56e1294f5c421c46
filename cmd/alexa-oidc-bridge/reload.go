package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/config"
)

// reloading says how the configuration is loaded again. The zero value: it never is.
type reloading struct {
	requests <-chan os.Signal // each asks for it
	load     func() (*config.Config, []config.Warning, error)
	level    *slog.LevelVar // of the log
	timeout  time.Duration  // how long a new server may take to read the feed of revocations
}

// reloadTimeout is longer than any read of the feed takes that succeeds.
const reloadTimeout = 10 * time.Second

// reloader puts a server with another configuration in the place of the one that serves.
type reloader struct {
	reloading
	loaded  *config.Config // what is in force
	deps    server.Deps
	servers *servers
	results *prometheus.CounterVec
}

// Results of a reload, for the metric.
const (
	reloadDone    = "done"
	reloadRefused = "refused" // the configuration cannot be used
	reloadFailed  = "failed"  // the memory or the store was not available
)

func newReloadResults() *prometheus.CounterVec {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_config_reloads_total",
		Help: "How often the configuration was to be loaded again, by what came of it.",
	}, []string{"result"})
	for _, result := range []string{reloadDone, reloadRefused, reloadFailed} { // from 0, so that a rate can be computed
		results.WithLabelValues(result)
	}
	return results
}

// run reloads at each request, one after the other, until the context ends.
func (r *reloader) run(ctx context.Context) {
	for {
		select {
		case <-r.requests:
			r.reload(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// reload loads the configuration and takes it, or says in the log why not.
func (r *reloader) reload(ctx context.Context) {
	loaded, warnings, err := r.load()
	if err == nil {
		err = findRemoved(r.loaded, loaded)
	}
	if err != nil {
		r.results.WithLabelValues(reloadRefused).Inc()
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r.deps.Log.Error("configuration refused; the one before stays in force", "problem", line)
		}
		return
	}
	logWarnings(r.deps.Log, warnings)
	next, fixed := keepFixed(r.loaded, loaded)
	if err := r.serve(ctx, next); ctx.Err() != nil {
		return // serve is stopping
	} else if err != nil {
		r.results.WithLabelValues(reloadFailed).Inc()
		r.deps.Log.Error("configuration not reloaded; the one before stays in force", "error", err, "hint", reloadHint(err))
		return
	}
	for _, key := range fixed {
		r.deps.Log.Warn("a changed key of the configuration has no effect yet; restart serve", "key", key)
	}
	r.results.WithLabelValues(reloadDone).Inc()
	r.level.Set(min(r.loaded.Log.Level, next.Log.Level)) // for the next line
	r.deps.Log.Info("configuration reloaded", describeChanges(r.loaded, next)...)
	r.level.Set(next.Log.Level)
	r.loaded = next
}

// serve starts a server and lets it take the new requests once it can answer them.
func (r *reloader) serve(ctx context.Context, next *config.Config) error {
	made, err := server.New(next.Server, r.deps)
	if err != nil {
		return err
	}
	running := r.servers.run(made)
	wait, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if err := made.WaitReady(wait); err != nil {
		made.Retire()
		running.stop()
		return err
	}
	r.servers.replace(running)
	return nil
}

func reloadHint(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the store is out of reach: repair it, and send SIGHUP again"
	case errors.Is(err, server.ErrMemory):
		return "there is no memory for a second cache of lookups: lower lookup.memory, and restart serve"
	}
	return serverHint(err) + ", and send SIGHUP again"
}

func logWarnings(log *slog.Logger, warnings []config.Warning) {
	for _, warning := range warnings {
		log.Warn(warning.Text, "path", warning.Path)
	}
}
