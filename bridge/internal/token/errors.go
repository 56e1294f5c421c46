package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// httpError returns an error of the token endpoint with its response, log line and metric.
func (h *Handler) httpError(request request, err error) error {
	e := mapError(err)
	e.Message, e.Err = "no token issued", err
	e.Attrs = append(e.Attrs, "grant_type", request.grantType)
	if request.skill != nil {
		e.Attrs = append(e.Attrs, "client_id", request.skill.ClientID)
	}
	h.count(request, e.OAuth.Code)
	return e
}

// mapError maps every error of this package's endpoints. What is final for a link is invalid_grant, on which Alexa
// gives the link up; what may be over soon is not.
func mapError(err error) *httperror.Error {
	oauthError, isOAuth := errors.AsType[*oauth.Error](err)
	switch {
	case isOAuth && oauthError.Code == oauth.InvalidClient:
		e := newError(slog.LevelWarn, oauthError)
		e.Attrs = clients.LogAttrs(err)
		e.Header = http.Header{"Www-Authenticate": {`Basic realm="token"`}}
		return e
	case isOAuth:
		return newError(slog.LevelInfo, oauthError)
	case errors.Is(err, bridge.ErrNotFound), errors.Is(err, bridge.ErrMismatch), errors.Is(err, bridge.ErrRevoked):
		return newError(slog.LevelInfo, errInvalidGrant)
	case errors.Is(err, bridge.ErrReplayed):
		return newError(slog.LevelWarn, errInvalidGrant)
	case errors.Is(err, bridge.ErrScope):
		return newError(slog.LevelInfo, oauth.Errorf(oauth.InvalidScope, "The scope exceeds what was granted."))
	case errors.Is(err, bridge.ErrSuspended):
		return newError(slog.LevelWarn,
			oauth.Errorf(oauth.TemporarilyUnavailable,
				"The link is suspended, or its account could not be checked for too long."))
	case errors.Is(err, context.Canceled): // the client has closed the connection
		return newError(slog.LevelInfo, errUnavailable)
	}
	return newError(slog.LevelError, errUnavailable)
}

var (
	errInvalidGrant = oauth.Errorf(oauth.InvalidGrant,
		"The code or refresh token is invalid, expired or revoked, or does not match the request.")
	errUnavailable = oauth.Errorf(oauth.TemporarilyUnavailable, "The store is unavailable. Try again.")
)

func newError(level slog.Level, e *oauth.Error) *httperror.Error {
	return &httperror.Error{Level: level, Reason: e.Code, OAuth: e}
}
