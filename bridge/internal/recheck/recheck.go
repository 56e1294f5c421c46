// Package recheck asks providers whether the accounts of links still live, by the refresh tokens that they issued at
// the sign-in. It works in the background: no lookup and no refresh waits for it.
//
// A recheck of a link is due when the link is used and the last answer is older than the policy says, once a day or
// sooner if it is not used, and after a sign-out at the provider. Of all processes one asks, by a lease in the store.
// There are three answers: the account lives, it is gone, or nobody can tell; the last one ends no link, however often
// it comes.
package recheck

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
)

const (
	// pollInterval is how often the store is asked which rechecks are due.
	pollInterval = time.Second
	// perSecond bounds the rechecks that one process begins at one provider, which counts our requests.
	perSecond = 5
	// atOnce is how many rechecks of one process run at one provider.
	atOnce = 4
	// lease is longer than a recheck takes: three requests of up to a minute.
	lease = 4 * time.Minute
	// timeout bounds what a provider is asked, and stopTimeout what is left of a recheck when the process stops.
	timeout     = 3 * time.Minute
	stopTimeout = time.Second
	// maxUsed bounds the used links that wait for a recheck at one provider. Others are noticed when they are used again.
	maxUsed = 10_000
	// maxDue is how many links the store is asked for at a time. A sign-out, which is asked about first, waits for these.
	maxDue = 20
	// outagePause is how long a provider is left alone that did not answer outageFailures times in a row: it may fail for
	// one person only.
	outagePause    = 30 * time.Second
	outageFailures = 3
	// firstRetry is doubled from one failure of a link to the next, up to maxRetry.
	firstRetry = time.Minute
	maxRetry   = time.Hour
)

// Deps are the dependencies of a [Rechecker]. All are required.
type Deps struct {
	endpoint.Deps
	Upstreams map[string]*upstream.Provider
	Keys      *keys.Ring
	Sampler   *httperror.Sampler
	// Checked is called when the provider has said that the account of a link lives, so that what is cached of it is read
	// again, with the time of the answer.
	Checked func(linkID string)
}

// Rechecker rechecks links. It is safe for concurrent use.
type Rechecker struct {
	Deps
	queues   map[string]*queue // by provider
	outcomes *prometheus.CounterVec
}

// queue is what is to be asked of one provider.
type queue struct {
	provider *upstream.Provider
	limiter  *rate.Limiter
	wake     chan struct{} // has room for one

	mu       sync.Mutex
	used     map[string]bool // links
	failures int             // of the provider in a row
	until    time.Time       // when the provider is asked again
}

// New returns a rechecker of the links of all providers whose policy is Offline.
func New(deps Deps) *Rechecker {
	outcomes := endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_rechecks_total",
		Help: "Questions to providers whether the account of a link still lives, by the answer.",
	}, []string{"provider", "outcome"}))
	r := &Rechecker{Deps: deps, queues: map[string]*queue{}, outcomes: outcomes}
	for id, provider := range deps.Upstreams {
		if !deps.Clients.AccountPolicy(id).Offline {
			continue
		}
		r.queues[id] = &queue{
			provider: provider, limiter: rate.NewLimiter(perSecond, perSecond), wake: make(chan struct{}, 1),
			used: map[string]bool{},
		}
		for _, outcome := range []outcome{alive, changed, gone, dying, unknown} {
			r.outcomes.WithLabelValues(id, string(outcome))
		}
	}
	return r
}

// Used notes that a link was used whose last answer is too old. It does not block.
func (r *Rechecker) Used(linkID, providerID string) {
	q := r.queues[providerID]
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.used) >= maxUsed {
		return
	}
	q.used[linkID] = true
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run begins rechecks until the first context ends. It returns when all have ended, soon after the second one.
func (r *Rechecker) Run(begin, ctx context.Context) {
	var group sync.WaitGroup
	for id, q := range r.queues {
		group.Go(func() { r.serve(begin, ctx, id, q) })
	}
	group.Wait()
}

// Once rechecks the links that were used, and those whose recheck is due, once. It is for tests; Run does so again and
// again.
func (r *Rechecker) Once(ctx context.Context) {
	for id, q := range r.queues {
		r.round(ctx, ctx, id, q)
	}
}

// serve rechecks the links of one provider.
func (r *Rechecker) serve(begin, ctx context.Context, providerID string, q *queue) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-begin.Done():
			return
		case <-ticker.C:
		case <-q.wake:
			if q.paused(r.Now()) {
				continue
			}
		}
		r.round(begin, ctx, providerID, q)
	}
}

// round rechecks links of one provider: those that were used, and those that the store knows of. While the provider is
// left alone, only those that are dead, which the store returns first: the provider need not be asked about them.
func (r *Rechecker) round(begin, ctx context.Context, providerID string, q *queue) {
	storeCtx, cancel := bridge.WithStoreTimeout(begin)
	defer cancel()
	due, err := r.Store.DueRechecks(storeCtx, providerID, r.Now(), maxDue)
	switch {
	case err != nil && begin.Err() == nil:
		const message = "rechecks put off"
		r.Sampler.Log(begin, r.Log, slog.LevelWarn, message, message, "provider", providerID, "error", err)
	case err == nil && q.paused(r.Now()):
		r.endDead(begin, ctx, q, due)
	case err == nil:
		for _, linkID := range q.takeUsed(maxDue) {
			if !slices.Contains(due, linkID) {
				due = append(due, linkID)
			}
		}
		r.recheckAll(begin, ctx, q, due)
	}
}

// endDead rechecks the first of some links, as long as these are dead.
func (r *Rechecker) endDead(begin, ctx context.Context, q *queue, linkIDs []string) {
	for _, linkID := range linkIDs {
		if begin.Err() != nil || !r.recheck(ctx, q, linkID, true) {
			return
		}
	}
}

// recheckAll rechecks links, some at once, as fast as the limit for the provider permits. It begins none once the first
// context has ended.
func (r *Rechecker) recheckAll(begin, ctx context.Context, q *queue, linkIDs []string) {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, atOnce)
	for _, linkID := range linkIDs {
		slots <- struct{}{}
		if begin.Err() != nil || q.paused(r.Now()) { // only now: it may have taken long to get a slot
			return
		}
		group.Go(func() {
			defer func() { <-slots }()
			r.recheck(ctx, q, linkID, false)
		})
	}
}

// wait waits until another question may be sent to a provider, or the context ends.
func (r *Rechecker) wait(ctx context.Context, q *queue) {
	now := r.Now()
	select {
	case <-time.After(q.limiter.ReserveN(now, 1).DelayFrom(now)):
	case <-ctx.Done():
	}
}

// lasting returns a context that ends some time after another one: the provider may have answered.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, cancel) })
	return lasting, func() { stop(); cancel() }
}

// recheck rechecks one link, and reports whether it began. A link that is dead needs no answer of the provider.
func (r *Rechecker) recheck(ctx context.Context, q *queue, linkID string, onlyDead bool) (began bool) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	policy := r.Clients.AccountPolicy(q.provider.ID())
	recheck, err := r.begin(ctx, linkID, policy, onlyDead)
	switch {
	case errors.Is(err, bridge.ErrNotFound): // another process was faster, or the link is revoked
		return false
	case err != nil:
		r.logFailure(ctx, linkID, "recheck not begun", err)
		return false
	}
	if recheck.DeadAt.IsZero() {
		r.wait(ctx, q)
	}
	v := r.ask(ctx, q, &recheck, policy)
	r.outcomes.WithLabelValues(q.provider.ID(), string(v.outcome)).Inc()
	switch err := r.record(ctx, &recheck, policy, v); {
	case err == nil && v.outcome == alive:
		r.Checked(linkID)
	case err != nil && !errors.Is(err, bridge.ErrNotFound):
		r.logFailure(ctx, linkID, "recheck not recorded", err)
	}
	return true
}

func (r *Rechecker) begin(ctx context.Context, linkID string, policy bridge.AccountPolicy, onlyDead bool) (
	bridge.Recheck, error) {
	ctx, cancel := bridge.WithStoreTimeout(ctx)
	defer cancel()
	now := r.Now()
	return r.Store.BeginRecheck(ctx, bridge.RecheckStart{
		LinkID: linkID, Now: now, CheckedBefore: now.Add(-policy.RecheckAfter), Lease: lease, Dead: onlyDead,
	})
}

func (r *Rechecker) logFailure(ctx context.Context, linkID, message string, err error) {
	r.Sampler.Log(ctx, r.Log, slog.LevelWarn, message, message, "link_id", linkID, "error", err)
}

// takeUsed returns and removes up to limit links, so that those that are due need not wait for all that are used.
func (q *queue) takeUsed(limit int) (used []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for linkID := range q.used {
		if len(used) == limit {
			break
		}
		delete(q.used, linkID)
		used = append(used, linkID)
	}
	return used
}

// failed notes that the provider did not answer. The weight is how many failures in a row it counts as.
func (q *queue) failed(now time.Time, weight int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failures += weight; q.failures >= outageFailures {
		q.until, q.failures = now.Add(outagePause), 0
	}
}

// answered notes that the provider answered.
func (q *queue) answered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failures = 0
}

func (q *queue) paused(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return now.Before(q.until)
}
