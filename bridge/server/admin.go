package server

import (
	"net/http"

	"alexa-oidc-bridge/bridge/internal/httperror"
)

// handleAdminAPI adds the admin API to the mux of the admin handler.
func (s *Server) handleAdminAPI(mux *http.ServeMux) {
	const audience = httperror.Operators
	metrics, limits := newMetrics(s), s.limits
	limits.warn = func(*http.Request) {} // no proxy is to be expected before the admin listener
	for _, route := range s.admin.Routes() {
		next := limits.perFailure(route.Pattern, route.Serve)
		mux.Handle(route.Pattern, metrics.instrument(route.Pattern, audience,
			s.respond(route.Pattern, audience, allowMethods(audience, route.Methods, next))))
	}
}
