package server

import (
	"net/http"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/scim"
)

// DirectoryURL returns the base URL to be entered at the directory of a provider.
func DirectoryURL(publicURL, providerID string) string { return scim.URL(publicURL, providerID) }

// handleDirectories adds the endpoints for directories of providers (RFC 7644 §3.2) to a mux. Those of a provider that
// has none are as unknown as other paths.
func (s *Server) handleDirectories(mux *http.ServeMux,
	endpoint func(pattern string, next httperror.HandlerFunc, methods ...string) http.Handler, unknown http.Handler) {
	const get, post = http.MethodGet, http.MethodPost
	directory := func(path string, next httperror.HandlerFunc, methods ...string) {
		served := endpoint(scim.Prefix+path, next, methods...)
		mux.HandleFunc(scim.Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			if !s.scim.Serves(r.PathValue("provider")) {
				unknown.ServeHTTP(w, r)
				return
			}
			served.ServeHTTP(w, r)
		})
	}
	directory("/ServiceProviderConfig", s.scim.ServiceProviderConfig, get)
	directory("/ResourceTypes", s.scim.ResourceTypes, get)
	directory("/ResourceTypes/{id}", s.scim.ResourceTypes, get)
	directory("/Schemas", s.scim.Schemas, get)
	directory("/Schemas/{id}", s.scim.Schemas, get)
	directory("/Users", s.scim.Users, get, post)
	directory("/Users/{id}", s.scim.User, get, http.MethodPut, http.MethodPatch, http.MethodDelete)
	directory("/Groups", s.scim.Groups, get)
	directory("", s.scim.NotFound) // else the mux would redirect to the next
	directory("/{rest...}", s.scim.NotFound)
}
