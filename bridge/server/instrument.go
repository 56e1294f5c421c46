package server

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// instrument gives every request a reference, counts it, and catches what would end the program.
type instrument struct {
	server    *Server
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newInstrument(s *Server) *instrument {
	i := &instrument{
		server: s,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_http_requests_total",
			Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bridge_http_request_duration_seconds",
			Help:    "How long requests took, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	s.registry.MustRegister(i.requests, i.durations)
	return i
}

func (i *instrument) wrap(route string, next http.Handler) http.Handler {
	route = strings.TrimSuffix(route, "{$}")
	duration := i.durations.WithLabelValues(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &recorder{ResponseWriter: w}
		ref := bridge.NewReference()
		r = r.WithContext(bridge.WithReference(r.Context(), ref))
		defer func() {
			if cause := recover(); cause != nil {
				i.recovered(recorder, r, cause)
			}
			took := time.Since(began)
			duration.Observe(took.Seconds())
			i.requests.WithLabelValues(route, strconv.Itoa(recorder.status)).Inc()
			i.server.deps.Log.Debug("request", "ref", ref, "route", route, "status", recorder.status, "duration", took)
		}()
		next.ServeHTTP(recorder, r)
	})
}

// recovered answers a request whose handler panicked. The panic's value may hold what a stranger wrote, so it is logged as
// such.
func (i *instrument) recovered(w *recorder, r *http.Request, cause any) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	i.server.deps.Log.Error("panic", "ref", bridge.ReferenceFrom(r.Context()),
		"cause", upstream.LogText(fmt.Sprint(cause)), "stack", string(debug.Stack()))
	if w.status != 0 {
		return
	}
	if isForPrograms(r.URL.Path) {
		bridge.WriteError(w, http.StatusInternalServerError, bridge.Errorf(bridge.ServerError, "This says nothing about the token."))
		return
	}
	i.server.show(w, r, http.StatusInternalServerError, templates.FaultInternal)
}

// recorder remembers the status that was written. 0: none yet.
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

// Unwrap lets http.ResponseController and http.MaxBytesReader reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// isPrefetch recognises requests that a browser or a link scanner makes before anybody asked.
func isPrefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		value := strings.ToLower(r.Header.Get(name))
		if strings.Contains(value, "prefetch") || strings.Contains(value, "preview") || strings.Contains(value, "prerender") {
			return true
		}
	}
	return false
}
