package introspect

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/answercache"
	"alexa-oidc-bridge/bridge/internal/endpoint"
)

// Outcomes of a lookup, for the metrics.
const (
	outcomeActive       = "active"
	outcomeInactive     = "inactive"
	outcomeSuspended    = "suspended" // answered as inactive
	outcomeUnauthorized = "unauthorized"
	outcomeBadRequest   = "bad_request"
	outcomeUnavailable  = "unavailable"
)

// metrics are the metrics of lookups. Counters that every lookup needs are resolved once.
type metrics struct {
	outcomes           *prometheus.CounterVec
	active, inactive   prometheus.Counter
	reads, readsFailed prometheus.Counter
}

func newMetrics(deps endpoint.Deps, feed *feedReader, cache *answercache.Cache) *metrics {
	outcomes := endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_lookups_total",
		Help: "Lookups by outcome.",
	}, []string{"outcome"}))
	reads := endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_lookup_reads_total",
		Help: "Tokens read from the store because they were not in the cache, by whether the store answered.",
	}, []string{"answered"}))
	feedAge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bridge_feed_age_seconds",
		Help: "How long ago the last successful read of the feed of revocations started.",
	}, func() float64 {
		age, _ := feed.age(deps.Now())
		return age.Seconds()
	})
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bridge_lookup_memory_bytes",
		Help: "Memory that cached lookup responses take.",
	}, func() float64 { return float64(cache.Size()) })
	deps.Registry.MustRegister(feedAge, memory)
	return &metrics{
		outcomes:    outcomes,
		active:      outcomes.WithLabelValues(outcomeActive),
		inactive:    outcomes.WithLabelValues(outcomeInactive),
		reads:       reads.WithLabelValues("true"),
		readsFailed: reads.WithLabelValues("false"),
	}
}

// countRead counts a read from the store.
func (m *metrics) countRead(err error) {
	if err == nil || errors.Is(err, bridge.ErrNotFound) {
		m.reads.Inc()
		return
	}
	m.readsFailed.Inc()
}
