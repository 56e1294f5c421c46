package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/people"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// publicHandler returns the handler of everything that the world can reach. A new endpoint is a line here and a
// method of a handler in bridge/internal.
func (s *Server) publicHandler() http.Handler {
	const get, post = http.MethodGet, http.MethodPost
	mux := http.NewServeMux()
	metrics := newMetrics(s)
	var paths []string
	type handler = httperror.HandlerFunc
	serve := func(name string, audience httperror.Audience, next handler, methods ...string) http.Handler {
		return metrics.instrument(name, audience, s.respond(name, audience, allowMethods(audience, methods, next)))
	}
	route := func(pattern string, audience httperror.Audience, next handler, methods ...string) http.Handler {
		instrumented := serve(routeName(pattern), audience, next, methods...)
		mux.Handle(pattern, instrumented)
		paths = append(paths, pattern)
		return instrumented
	}
	page := func(pattern string, next handler, methods ...string) http.Handler {
		// What no person opened is rejected before it counts: another site can let their browser send thousands.
		return route(pattern, httperror.People, rejectPrefetch(s.limits.perRequest(routeName(pattern), next)), methods...)
	}
	endpoint := func(pattern string, next handler, methods ...string) http.Handler {
		return route(pattern, httperror.Programs, s.limits.perFailure(pattern, next), methods...)
	}
	page("/authorize", s.authorize.Authorize, get)
	page("/callback/{provider}", s.authorize.Callback, get)
	page("/consent", s.authorize.Consent, get, post)
	page("/try/{ticket}", s.authorize.Try, get, post)
	page(people.Path, s.people.Links, get)
	page(people.Path+"/unlink", s.people.Unlink, get, post)
	endpoint("/token", s.token.Token, post)
	lookup := endpoint("/lookup", s.introspect.Lookup, post)
	endpoint("/userinfo", s.introspect.Userinfo, get, post)
	endpoint("/revoke", s.token.Revoke, post)
	for _, one := range s.logout.Routes() {
		endpoint(one.Path, one.Serve, post)
	}
	endpoint("/alexa/events", s.events.Events, post)
	endpoint("/alexa/disabled", s.events.Disabled, post)
	page("/{$}", s.home, get)
	const metadata = "/.well-known/oauth-authorization-server"
	route(metadata, httperror.Programs, s.limits.perRequest(metadata, s.token.Metadata), get)
	other := page("/", notFound(paths))
	s.handleDirectories(mux, func(pattern string, next handler, methods ...string) http.Handler {
		return serve(pattern, httperror.Directories, s.limits.perFailure(pattern, next), methods...)
	}, other)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		closeChunked(w, r)
		switch {
		case r.URL.Path == "/lookup" && r.URL.RawPath == "": // of every utterance, so it does not wait for the mux
			lookup.ServeHTTP(w, r)
		case isPlain(r.URL):
			mux.ServeHTTP(w, r)
		default:
			other.ServeHTTP(w, r) // the mux would redirect, with a body that repeats the state
		}
	})
}

// closeChunked lets a connection end after a request in chunks. A length may have been there, too, which a proxy could
// have believed. net/http removes it and goes on; RFC 9112 §6.1 demands that what follows is not read.
func closeChunked(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
}

// isPlain reports whether the path of a URL is clean, and nothing in it is escaped without need. A rule of a proxy
// could see another path than the mux does.
func isPlain(u *url.URL) bool {
	return u.RawPath == "" && (!strings.HasPrefix(u.Path, "/") || path.Clean(u.Path) == u.Path)
}

// routeName returns what metrics and the log call a pattern of the mux.
func routeName(pattern string) string { return strings.TrimSuffix(pattern, "{$}") }

// adminHandler returns the handler of everything that the operator's machines can reach.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics",
		promhttp.HandlerFor(prometheus.Gatherers{s.deps.Counters, s.registry}, promhttp.HandlerOpts{}))
	s.handleAdminAPI(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		closeChunked(w, r)
		if !isPlain(r.URL) {
			http.NotFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ready serves GET /readyz. A provider that is down does not count: links that exist work without it.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.introspect.StoreOutOfReach() {
		http.Error(w, "the store is out of reach", http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	log := s.deps.Log.With("ref", reference.FromContext(r.Context()))
	s.errors.Sampler.LogPage(r.Context(), log, s.pages.Home(w, s.skillNames))
	return nil
}

// respond calls a handler and writes the response for its error.
func (s *Server) respond(route string, audience httperror.Audience, next httperror.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := next(w, r); err != nil {
			s.errors.Respond(w, r, route, audience, err)
		}
	}
}

// notFound serves all paths that are none of ours. It recognizes those that were meant to be one.
func notFound(paths []string) httperror.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) error {
		e := &httperror.Error{
			Status: http.StatusNotFound,
			Reason: string(templates.PageNotFound),
			Page:   templates.ErrorData{Page: templates.PageNotFound},
		}
		if meant := strings.ToLower(path.Clean("/" + r.URL.Path)); slices.Contains(paths, meant) {
			e.Level = slog.LevelWarn
			e.Attrs = []any{"hint", "the path must be exactly " + meant + "; correct it where it is configured"}
		}
		return e
	}
}

// allowMethods rejects other methods. HEAD is another method: answered like GET, it would act. No methods: all are
// allowed.
func allowMethods(audience httperror.Audience, methods []string, next httperror.HandlerFunc) httperror.HandlerFunc {
	allowed := strings.Join(methods, ", ")
	description := "Use " + allowed + "."
	if audience == httperror.Programs {
		description += " The body, if any, must be of type application/x-www-form-urlencoded."
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if len(methods) == 0 || slices.Contains(methods, r.Method) {
			return next(w, r)
		}
		return &httperror.Error{
			Reason: string(templates.PageMethod),
			Err:    fmt.Errorf("method %q, allowed is %s", upstream.LogText(r.Method), allowed),
			Status: http.StatusMethodNotAllowed,
			Page:   templates.ErrorData{Page: templates.PageMethod},
			OAuth: &oauth.Error{Code: oauth.InvalidRequest, HTTPStatus: http.StatusMethodNotAllowed,
				Description: description},
			Header: http.Header{"Allow": {allowed}},
		}
	}
}

// rejectPrefetch rejects requests that a browser or a link scanner sends before anybody opened the page, and those for
// something within a page, such as an image of another site.
func rejectPrefetch(next httperror.HandlerFunc) httperror.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		destination := r.Header.Get("Sec-Fetch-Dest") // Fetch Metadata; not every browser sends it
		if !isPrefetch(r) && (destination == "" || destination == "document") {
			return next(w, r)
		}
		return &httperror.Error{
			Message: "prefetch rejected", Level: slog.LevelDebug, Reason: string(templates.PagePrefetch),
			Err: fmt.Errorf("the browser requested the page before anybody opened it, or to put it into another; "+
				"Sec-Fetch-Dest is %q", upstream.LogText(destination)),
			Status: http.StatusForbidden,
			Page:   templates.ErrorData{Page: templates.PagePrefetch},
		}
	}
}

func isPrefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		value := strings.ToLower(r.Header.Get(name))
		for _, purpose := range []string{"prefetch", "preview", "prerender"} {
			if strings.Contains(value, purpose) {
				return true
			}
		}
	}
	return false
}
