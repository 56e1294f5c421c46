package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
)

// metrics counts and times requests, gives them references, and recovers from panics.
type metrics struct {
	server    *Server
	start     time.Time // times are measured from here, since time.Since is cheaper than time.Now
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	recorders sync.Pool // of *recorder
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		server: s,
		start:  time.Now(),
		requests: endpoint.Register(s.deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_http_requests_total",
			Help: "Requests by route and status.",
		}, []string{"route", "status"})),
		durations: endpoint.Register(s.deps.Counters, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bridge_http_request_duration_seconds",
			Help:    "How long requests took, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"})),
	}
	m.recorders.New = func() any { return new(recorder) }
	return m
}

// instrument wraps the handler of a route. Requests of /lookup get no reference, since a backend asks on every
// utterance.
func (m *metrics) instrument(route string, audience httperror.Audience, next http.Handler) http.Handler {
	duration := m.durations.WithLabelValues(route)
	ok := m.requests.WithLabelValues(route, "200") // resolved once, for lookups
	hasReference := route != "/lookup"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Since(m.start)
		recorder := m.recorders.Get().(*recorder)
		recorder.ResponseWriter, recorder.status = w, 0
		if hasReference {
			r = r.WithContext(reference.NewContext(r.Context(), reference.New()))
		}
		defer func() {
			if cause := recover(); cause != nil {
				m.recovered(recorder, r, route, audience, cause)
			}
			took := time.Since(m.start) - started
			duration.Observe(took.Seconds())
			if recorder.status == http.StatusOK {
				ok.Inc()
			} else {
				m.requests.WithLabelValues(route, strconv.Itoa(recorder.status)).Inc()
			}
			if log := m.server.deps.Log; log.Enabled(r.Context(), slog.LevelDebug) {
				log.Debug("request", "ref", reference.FromContext(r.Context()), "route", route,
					"status", recorder.status, "duration", took)
			}
			recorder.ResponseWriter = nil
			m.recorders.Put(recorder)
		}()
		next.ServeHTTP(recorder, r)
	})
}

// recovered responds to a request whose handler panicked. The panic's value may contain what a stranger sent.
func (m *metrics) recovered(w *recorder, r *http.Request, route string, audience httperror.Audience, cause any) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	e := httperror.Internal(nil)
	e.Message = "panic"
	e.Attrs = []any{"cause", upstream.LogText(fmt.Sprint(cause)), "stack", string(debug.Stack())}
	if w.status != 0 {
		e.Written = true
	}
	m.server.errors.Respond(w, r, route, audience, e)
}

// recorder remembers the status that was written; 0: none yet.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// Unwrap is for [http.ResponseController] and [http.MaxBytesReader].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
