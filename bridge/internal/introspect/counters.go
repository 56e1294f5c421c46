package introspect

import "github.com/prometheus/client_golang/prometheus"

// Outcomes of a lookup, for the metrics.
const (
	outcomeActive       = "active"
	outcomeInactive     = "inactive"
	outcomeUnauthorized = "unauthorized"
	outcomeBadRequest   = "bad_request"
	outcomeUnavailable  = "unavailable"
)

// counters are the metrics of lookups. Those that every lookup counts are looked up once.
type counters struct {
	outcomes           *prometheus.CounterVec
	active, inactive   prometheus.Counter
	reads, readsFailed prometheus.Counter
}

func newCounters(registry prometheus.Registerer, h *Handler) counters {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_lookups_total",
		Help: "Lookups by outcome.",
	}, []string{"outcome"})
	reads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_lookup_reads_total",
		Help: "Tokens that were looked up in the store, because memory did not have them, by whether the store answered.",
	}, []string{"answered"})
	registry.MustRegister(outcomes, reads,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bridge_feed_age_seconds",
			Help: "How long ago the last complete reading of the feed of ended links began.",
		}, func() float64 {
			age, _ := h.follower.age(h.deps.Now())
			return age.Seconds()
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "bridge_lookup_memory_bytes",
			Help: "Memory that answers to lookups take.",
		}, h.memory.bytes),
	)
	return counters{
		outcomes: outcomes,
		active:   outcomes.WithLabelValues(outcomeActive), inactive: outcomes.WithLabelValues(outcomeInactive),
		reads: reads.WithLabelValues("true"), readsFailed: reads.WithLabelValues("false"),
	}
}
