package introspect

import (
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

var errCannotTell = oauth.Errorf(oauth.TemporarilyUnavailable,
	"The store is unavailable. This says nothing about the token.")

// errNotChecked means that the provider has not said for longer than its recheck_limit that the account lives.
var errNotChecked = errors.New("the account could not be checked")

var errAccountUnknown = oauth.Errorf(oauth.TemporarilyUnavailable,
	"The account could not be checked at its provider for too long. This says nothing about the token.")

// lookupError returns an error of the lookup endpoint with its response, log line and metric.
func (h *Handler) lookupError(r *http.Request, err error) error {
	e := h.mapError(r, err)
	outcome := outcomeBadRequest
	switch e.OAuth.Code {
	case oauth.InvalidClient:
		outcome = outcomeUnauthorized
		e.Level, e.Attrs = slog.LevelWarn, clients.LogAttrs(err)
		e.Header = http.Header{"Www-Authenticate": {`Basic realm="lookup"`}}
	case oauth.TemporarilyUnavailable:
		outcome = outcomeUnavailable
	}
	h.metrics.outcomes.WithLabelValues(outcome).Inc()
	return e
}

// mapError maps every error of this package's endpoints. Those of isInactive are not among them: for a lookup they
// are an answer.
func (h *Handler) mapError(r *http.Request, err error) *httperror.Error {
	e := &httperror.Error{
		Message: "lookup failed", Level: slog.LevelError, Reason: outcomeUnavailable, Err: err, OAuth: errCannotTell,
	}
	oauthError, isOAuth := errors.AsType[*oauth.Error](err)
	switch {
	case isOAuth:
		e.Level, e.Reason, e.OAuth = slog.LevelInfo, oauthError.Code, oauthError
	case errors.Is(err, errNotChecked):
		e.Level, e.OAuth = slog.LevelWarn, errAccountUnknown
		e.Attrs = []any{"hint", "look for `account not checked` in the log: " +
			"the provider does not answer, or not about this person"}
	case r.Context().Err() != nil, h.feed.failing.Load():
		// The backend has closed the connection, or the log has the outage already.
		e.Level = slog.LevelDebug
	}
	return e
}
