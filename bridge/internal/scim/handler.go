// Package scim serves what the directory of a provider needs to tell us that an account was deactivated or deleted:
// SCIM 2.0 (RFC 7643, RFC 7644) with users only. Of a user it keeps the names that the directory uses, and whether the
// account is active.
//
// A request becomes a [bridge.DirectoryChange], and the store changes the user and revokes links in one transaction.
// Nothing that a directory sends gives anybody anything.
package scim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Prefix is what the paths of a directory begin with.
const Prefix = "/scim/{provider}/v2"

// URL returns the URL that the paths of the directory of a provider begin with.
func URL(publicURL, providerID string) string {
	return publicURL + strings.Replace(Prefix, "{provider}", providerID, 1)
}

// Handler serves the paths below [Prefix]. It is safe for concurrent use.
type Handler struct {
	endpoint.Deps
	deprovisioned *prometheus.CounterVec
}

// New returns a handler.
func New(deps endpoint.Deps) *Handler {
	deprovisioned := endpoint.Register(deps.Counters, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bridge_scim_deprovisioned_total",
		Help: "Users whom a directory deactivated or deleted, by provider and what became of their links.",
	}, []string{"provider", "outcome"}))
	return &Handler{Deps: deps, deprovisioned: deprovisioned}
}

// Serves reports whether a provider, by its id, may send requests.
func (h *Handler) Serves(providerID string) bool {
	return len(h.Clients.AccountPolicy(providerID).SCIM.Tokens) > 0
}

// Users serves GET and POST /Users.
func (h *Handler) Users(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return h.serve(w, r, h.createUser)
	}
	return h.serve(w, r, h.listUsers)
}

// User serves GET, PUT, PATCH and DELETE /Users/{id}.
func (h *Handler) User(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodPut:
		return h.serve(w, r, h.replaceUser)
	case http.MethodPatch:
		return h.serve(w, r, h.patchUser)
	case http.MethodDelete:
		return h.serve(w, r, h.deleteUser)
	}
	return h.serve(w, r, h.getUser)
}

// NotFound serves all other paths.
func (h *Handler) NotFound(w http.ResponseWriter, r *http.Request) error {
	return h.serve(w, r, func(*request) (*response, error) {
		return nil, reject(http.StatusNotFound, "",
			"There is no such endpoint. Names are case-sensitive, such as /Users; bulk "+
				"operations and groups are not supported.")
	})
}

// request is a request of the directory of a provider, which authenticated.
type request struct {
	*http.Request
	provider bridge.Provider
	policy   bridge.SCIM
	base     string // the URL of Prefix
}

type response struct {
	status   int
	location string // of a resource that was created; empty: none
	body     any    // nil: none
}

// serve authenticates a directory, answers its request and writes the response.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, answer func(*request) (*response, error)) error {
	q, err := h.authenticate(r)
	if err != nil {
		return err
	}
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	q.Request = r.WithContext(ctx)
	answered, err := answer(q)
	if err != nil {
		return h.mapError(q, err)
	}
	if answered.location != "" {
		w.Header().Set("Location", answered.location)
	}
	var body []byte
	if answered.body != nil {
		if body, err = json.Marshal(answered.body); err != nil {
			return err
		}
	}
	httperror.WriteSCIM(w, cmp.Or(answered.status, http.StatusOK), body)
	return nil
}

// authenticate returns the request of the directory whose token a request has.
func (h *Handler) authenticate(r *http.Request) (*request, error) {
	id := r.PathValue("provider")
	policy := h.Clients.AccountPolicy(id).SCIM
	token, found := oauth.BearerToken(r)
	if !policy.HasToken(token) {
		return nil, unauthorized(id, found)
	}
	return &request{Request: r, provider: h.Clients.Provider(id), policy: policy, base: URL(h.PublicURL, id)}, nil
}
