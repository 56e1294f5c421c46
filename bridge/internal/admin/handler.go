// Package admin serves the admin API: what the commands links and audit do, for programs of the operator. It belongs on
// the admin listener only.
//
// What decides which links end is read strictly: an unknown, a repeated and an empty parameter are errors, since each
// would let more links end than was meant. Paths and schemas are in openapi.json, which tests compare with the
// handlers.
package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/operator"
)

//go:embed openapi.json
var document []byte

// Deps are the dependencies of a [Handler].
type Deps struct {
	endpoint.Deps
	Tokens []bridge.AdminToken
}

// Handler serves the admin API. It is safe for concurrent use.
type Handler struct {
	Deps
	list chan struct{} // has an element while a list is read
}

// New returns a handler.
func New(deps Deps) *Handler { return &Handler{deps, make(chan struct{}, 1)} }

// Route is a pattern of [http.ServeMux] with its methods and its handler. No methods: all.
type Route struct {
	Pattern string
	Methods []string
	Serve   httperror.HandlerFunc
}

// Routes returns the routes of the API. There are none without tokens.
func (h *Handler) Routes() []Route {
	if len(h.Tokens) == 0 {
		return nil
	}
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	return []Route{
		{"/api/links", get, h.serve(bridge.AdminRead, h.listLinks)},
		{"/api/links/{id}", get, h.serve(bridge.AdminRead, h.getLink)},
		{"/api/links/{id}/revoke", post, h.serve(bridge.AdminRevoke, h.revokeLink)},
		{"/api/links/{id}/forget", post, h.serve(bridge.AdminForget, h.forgetLink)},
		{"/api/links/revoke", post, h.serve(bridge.AdminRevoke, h.revokeLinks)},
		{"/api/audit", get, h.serve(bridge.AdminRead, h.listAudit)},
		{"/api/openapi.json", get, h.serve("", h.describe)},
		{"/api/", nil, h.serve("", h.notFound)},
	}
}

// request is a request that authenticated.
type request struct {
	*http.Request
	actor bridge.Actor
	now   time.Time
}

// serve authenticates a request, answers it, and writes what the answer is: JSON, or nothing if it is nil. An empty
// right is one that every token has.
func (h *Handler) serve(right bridge.AdminRight, answer func(*request) (any, error)) httperror.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		token, err := h.authenticate(r)
		if err != nil {
			return err
		}
		q := &request{r, bridge.ActorAPI(token.Name), h.Now()}
		if right != "" && !token.Has(right) {
			return q.mapError(forbidden(right))
		}
		body, err := answer(q)
		if err != nil {
			return q.mapError(err)
		}
		h.Log.Info("admin API request", "ref", reference.FromContext(r.Context()), "route", r.Method+" "+r.Pattern,
			"actor", q.actor, "address", h.Origin(r).Address)
		return write(w, body)
	}
}

// readList returns what a function reads that searches the store, which may take long: one at a time, because SQLite
// has few connections that read, and sign-ins and lookups need them. Requests that end links do not wait for it.
func readList[T any](h *Handler, q *request, read func(context.Context) ([]T, error)) ([]T, error) {
	ctx, cancel := bridge.WithStoreTimeout(q.Context())
	defer cancel()
	select {
	case h.list <- struct{}{}:
		defer func() { <-h.list }()
		return read(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// authenticate returns the token of a request. Requests of web pages are rejected, whatever they have.
func (h *Handler) authenticate(r *http.Request) (*bridge.AdminToken, error) {
	if fromPage(r) {
		return nil, errPage()
	}
	secret, found := oauth.BearerToken(r)
	token := bridge.FindAdminToken(h.Tokens, secret)
	if token == nil {
		return nil, unauthorized(found)
	}
	return token, nil
}

// fromPage reports whether a browser sent a request for a page (Fetch Standard §3.2, Fetch Metadata §2).
func fromPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return len(r.Header.Values("Origin")) > 0 || site != "" && site != "none"
}

func write(w http.ResponseWriter, body any) error {
	if body == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	oauth.WriteJSON(w, http.StatusOK, operator.ASCII(text))
	return nil
}

// describe serves GET /api/openapi.json.
func (h *Handler) describe(q *request) (any, error) { return json.RawMessage(document), nil }

// notFound serves all other paths.
func (h *Handler) notFound(*request) (any, error) { return nil, errNoEndpoint() }
