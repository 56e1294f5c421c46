package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	pingEvery   = 2 * time.Second
	pingTimeout = 2 * time.Second
)

// readiness knows since when the store is out of reach.
type readiness struct {
	deps         Deps
	maxStaleness time.Duration
	reached      atomic.Int64 // when a ping that succeeded began, in nanoseconds since 1970
}

func newReadiness(deps Deps, maxStaleness time.Duration) *readiness {
	r := &readiness{deps: deps, maxStaleness: maxStaleness}
	r.reached.Store(deps.Now().UnixNano()) // the store was opened just before
	return r
}

func (r *readiness) run(ctx context.Context) {
	for sleep(ctx, min(pingEvery, r.maxStaleness/3)) {
		r.ping(ctx)
	}
}

func (r *readiness) ping(ctx context.Context) {
	began := r.deps.Now()
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := r.deps.Store.Ping(ctx)
	switch {
	case err == nil:
		r.reached.Store(began.UnixNano())
	case ctx.Err() != context.Canceled: // which only means that the server stops
		r.deps.Log.Error("store out of reach", "error", err)
	}
}

// serve answers GET /readyz. A provider that is down does not count: links go on working without it.
func (r *readiness) serve(w http.ResponseWriter, _ *http.Request) {
	if r.deps.Now().Sub(time.Unix(0, r.reached.Load())) >= r.maxStaleness {
		http.Error(w, "the store is out of reach", http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}
