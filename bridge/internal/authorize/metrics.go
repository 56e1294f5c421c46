package authorize

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	made     *prometheus.CounterVec
	refused  *prometheus.CounterVec
	noCookie prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		made: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_links_made_total",
			Help: "Links made, by skill and grant.",
		}, []string{"client_id", "grant"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_links_refused_total",
			Help: "Requests of a flow that did not lead to a link, by skill and reason.",
		}, []string{"client_id", "reason"}),
		noCookie: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bridge_callbacks_without_cookie_total",
			Help: "Callbacks from a browser that did not start the sign-in, rejects cookies, or came too late.",
		}),
	}
	registry.MustRegister(m.made, m.refused, m.noCookie)
	return m
}
