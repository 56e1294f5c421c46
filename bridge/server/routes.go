package server

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/templates"
)

// publicHandler is the list of all that the world can reach.
func (s *Server) publicHandler() http.Handler {
	mux := http.NewServeMux()
	around := newInstrument(s)
	route := func(pattern string, answers http.Handler) {
		mux.Handle(pattern, around.wrap(pattern, answers))
	}
	route("/authorize", s.only(http.MethodGet, s.notAhead(s.authorize.Authorize)))
	route("/callback/{provider}", s.only(http.MethodGet, s.notAhead(s.authorize.Callback)))
	route("/consent", s.only(http.MethodPost, s.authorize.Consent))
	route("/userinfo", s.onlyTo([]string{http.MethodGet, http.MethodPost}, s.introspect.Userinfo))
	route("/token", s.only(http.MethodPost, s.token.Token))
	route("/revoke", s.only(http.MethodPost, s.token.Revoke))
	route("/.well-known/oauth-authorization-server", s.only(http.MethodGet, s.token.Metadata))
	route("/{$}", s.only(http.MethodGet, s.home))
	route("/", http.HandlerFunc(s.notFound))
	unclean := around.wrap("/", http.HandlerFunc(s.notFound))
	lookup := around.measure("/lookup", nil, s.only(http.MethodPost, s.introspect.Lookup))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/lookup" { // asked on every utterance, so it takes the shortest way
			lookup.ServeHTTP(w, r)
			return
		}
		// The mux would redirect these, with a body that repeats the state.
		if strings.HasPrefix(r.URL.Path, "/") && path.Clean(r.URL.Path) != r.URL.Path {
			unclean.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// adminHandler is the list of what the operator's machines can reach.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	return mux
}

// ready answers GET /readyz. A provider that is down does not count: links go on working without it.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.introspect.OutOfReach() {
		http.Error(w, "the store is out of reach", http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ready\n"))
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	if err := s.pages.Home(w); err != nil {
		s.deps.Log.Warn("page not written", "error", err)
	}
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusNotFound, templates.FaultNotFound)
}

// only refuses every other method with a word on which one it takes. HEAD is another method: a HEAD that is answered as a
// GET would act.
func (s *Server) only(method string, next http.HandlerFunc) http.Handler {
	return s.onlyTo([]string{method}, next)
}

func (s *Server) onlyTo(methods []string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(methods, r.Method) {
			next(w, r)
			return
		}
		allowed := strings.Join(methods, ", ")
		w.Header().Set("Allow", allowed)
		if isForPrograms(r.URL.Path) {
			oauth.WriteError(w, http.StatusMethodNotAllowed, oauth.Errorf(oauth.InvalidRequest,
				"Use %s, with a body of type application/x-www-form-urlencoded where there is one.", allowed))
			return
		}
		s.show(w, r, http.StatusMethodNotAllowed, templates.FaultMethod)
	})
}

// isForPrograms says whether a path answers programs, in JSON, and not people.
func isForPrograms(path string) bool {
	switch path {
	case "/lookup", "/token", "/revoke", "/userinfo", "/.well-known/oauth-authorization-server":
		return true
	}
	return false
}

// notAhead refuses a request that a browser makes on the guess that it will be wanted.
func (s *Server) notAhead(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isPrefetch(r) {
			s.show(w, r, http.StatusForbidden, templates.FaultPrefetch)
			return
		}
		next(w, r)
	}
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, fault templates.Fault) {
	page := templates.ErrorPage{Fault: fault, Reference: string(reference.FromContext(r.Context()))}
	if err := s.pages.Error(w, status, page); err != nil {
		s.deps.Log.Warn("page not written", "error", err)
	}
}
