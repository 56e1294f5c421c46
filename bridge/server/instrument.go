package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// instrument counts and times requests, gives them references, and catches what would end the program.
type instrument struct {
	server    *Server
	since     time.Time // when it was made: what time is measured from, because it costs less than to ask what time it is
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	recorders sync.Pool
}

func newInstrument(s *Server) *instrument {
	i := &instrument{
		server: s,
		since:  time.Now(),
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
	i.recorders.New = func() any { return new(recorder) }
	s.registry.MustRegister(i.requests, i.durations)
	return i
}

// wrap is for routes whose answers or log lines have a reference, which is made anew for each request.
func (i *instrument) wrap(pattern string, next http.Handler) http.Handler {
	return i.measure(pattern, reference.New, next)
}

// measure counts and times a route. Without a reference it costs lookups next to nothing.
func (i *instrument) measure(pattern string, newReference func() reference.Reference, next http.Handler) http.Handler {
	route := strings.TrimSuffix(pattern, "{$}")
	duration := i.durations.WithLabelValues(route)
	var byStatus [600]atomic.Pointer[prometheus.Counter]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Since(i.since)
		recorder := i.recorders.Get().(*recorder)
		recorder.ResponseWriter, recorder.status = w, 0
		if newReference != nil {
			r = r.WithContext(reference.NewContext(r.Context(), newReference()))
		}
		defer func() {
			if cause := recover(); cause != nil {
				i.recovered(recorder, r, cause)
			}
			took := time.Since(i.since) - began
			duration.Observe(took.Seconds())
			i.counter(&byStatus, route, recorder.status).Inc()
			if log := i.server.deps.Log; log.Enabled(r.Context(), slog.LevelDebug) {
				log.Debug("request", "ref", reference.FromContext(r.Context()), "route", route, "status", recorder.status, "duration", took)
			}
			recorder.ResponseWriter = nil
			i.recorders.Put(recorder)
		}()
		next.ServeHTTP(recorder, r)
	})
}

// counter finds the counter of a route's status, which is looked up by its labels once only.
func (i *instrument) counter(byStatus *[600]atomic.Pointer[prometheus.Counter], route string, status int) prometheus.Counter {
	if status < 0 || status >= len(byStatus) {
		return i.requests.WithLabelValues(route, strconv.Itoa(status))
	}
	if known := byStatus[status].Load(); known != nil {
		return *known
	}
	counter := i.requests.WithLabelValues(route, strconv.Itoa(status))
	byStatus[status].Store(&counter)
	return counter
}

// recovered answers a request whose handler panicked. The panic's value may hold what a stranger wrote, so it is logged as
// such.
func (i *instrument) recovered(w *recorder, r *http.Request, cause any) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	i.server.deps.Log.Error("panic", "ref", reference.FromContext(r.Context()),
		"cause", upstream.LogText(fmt.Sprint(cause)), "stack", string(debug.Stack()))
	if w.status != 0 {
		return
	}
	if isForPrograms(r.URL.Path) {
		oauth.WriteError(w, http.StatusInternalServerError, oauth.Errorf(oauth.ServerError, "This says nothing about the token."))
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
