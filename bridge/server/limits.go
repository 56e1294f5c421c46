package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge/internal/clientaddr"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/templates"
)

// Above rejectionsPerSecond, which no clients reach that do not flood, requests that are rejected get their response
// later. Otherwise a flood on thousands of connections would keep the processor busy with rejecting it.
const (
	rejectionsPerSecond = 200
	longestRejection    = 4 * time.Second
)

// limits bounds what one address can do. Whoever authenticates, or presents a live token, is never limited.
type limits struct {
	requests, failures *limit.ByAddress
	failedExchanges    map[string]*limit.ByAddress // by provider id

	limited *prometheus.CounterVec
	warn    func(*http.Request) // of a peer that may be a proxy
}

func newLimits(config Config, log *slog.Logger, now func() time.Time, counters prometheus.Registerer) limits {
	perMinute := func(n int) *limit.ByAddress { return limit.NewByAddress(n, config.TrustedProxies, now) }
	l := limits{
		requests:        perMinute(config.Limits.RequestsPerMinute),
		failures:        perMinute(config.Limits.FailuresPerMinute),
		failedExchanges: map[string]*limit.ByAddress{},
		limited: endpoint.Register(counters, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_limited_total",
			Help: "Requests that were answered 429, by route.",
		}, []string{"route"})),
		warn: func(*http.Request) {},
	}
	for _, provider := range config.Providers {
		l.failedExchanges[provider.ID] = perMinute(config.Limits.FailuresPerMinute)
	}
	if strings.HasPrefix(config.PublicURL, "https:") && config.Limits != (Limits{}) {
		l.warn = warnOfProxy(log, config.TrustedProxies)
	}
	return l
}

// warnOfProxy returns a function that logs once that the requests of all clients seem to come from one address.
func warnOfProxy(log *slog.Logger, trusted []netip.Prefix) func(*http.Request) {
	var once sync.Once
	return func(r *http.Request) {
		if clientaddr.IsUnknown(r, trusted) {
			once.Do(func() {
				log.Warn("no limits per address: the address of a request may be that of a proxy that everybody comes through",
					"peer", clientaddr.Of(r, nil), "address", clientaddr.Of(r, trusted),
					"hint", "let the proxy put the client's address into X-Forwarded-For, and set trusted_proxies to the "+
						"addresses of proxies only")
			})
		}
	}
}

// perRequest limits requests that anybody can send, since each costs something.
func (l *limits) perRequest(route string, next httperror.HandlerFunc) httperror.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		l.warn(r)
		wait := l.requests.Take(r)
		if wait == 0 {
			return l.count(route, next(w, r))
		}
		e := httperror.TooMany(wait, errors.New("too many requests from this address"))
		if r.Method == http.MethodGet {
			e.Page.Retry = templates.RetryReload
		}
		return l.count(route, e)
	}
}

// perFailure limits failed authentications: 429 in place of 401. A request is judged before it is counted, so that the
// right secret and a live token are answered as ever.
func (l *limits) perFailure(route string, next httperror.HandlerFunc) httperror.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := next(w, r)
		if !isUnauthorized(err) {
			return l.count(route, err)
		}
		l.warn(r)
		wait := l.failures.Take(r)
		if wait == 0 {
			return err
		}
		limited := httperror.TooMany(wait, err)
		if e, ok := errors.AsType[*httperror.Error](err); ok {
			limited.Attrs = e.Attrs
		}
		return l.count(route, limited)
	}
}

// count counts a request that is answered 429.
func (l *limits) count(route string, err error) error {
	if e, ok := errors.AsType[*httperror.Error](err); ok && e.Status == http.StatusTooManyRequests {
		l.limited.WithLabelValues(route).Inc()
	}
	return err
}

func isUnauthorized(err error) bool {
	if e, ok := errors.AsType[*httperror.Error](err); ok {
		return e.OAuth != nil && e.OAuth.Status() == http.StatusUnauthorized
	}
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status() == http.StatusUnauthorized
}
