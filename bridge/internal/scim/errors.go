package scim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Kinds of errors of a directory's request, by their names in RFC 7644 §3.12.
const (
	invalidFilter = "invalidFilter"
	invalidPath   = "invalidPath"
	invalidSyntax = "invalidSyntax"
	invalidValue  = "invalidValue"
	mutability    = "mutability"
	noTarget      = "noTarget"
	uniqueness    = "uniqueness"
)

// reject returns the error for a request that a directory must change. The text never repeats what the request said.
func reject(status int, scimType, text string) *httperror.Error {
	return &httperror.Error{
		Message: "SCIM request rejected", Level: slog.LevelInfo, Reason: cmp.Or(scimType, oauth.InvalidRequest),
		Err:   errors.New(text),
		OAuth: &oauth.Error{Code: oauth.InvalidRequest, HTTPStatus: status, Description: text}, SCIMType: scimType,
	}
}

// badRequest returns the error for a request that says something wrong.
func badRequest(scimType, format string, args ...any) *httperror.Error {
	return reject(http.StatusBadRequest, scimType, fmt.Sprintf(format, args...))
}

// unauthorized returns the error for a request without the provider's token (RFC 6750 §3).
func unauthorized(providerID string, hasToken bool) *httperror.Error {
	cause, challenge := errors.New("no bearer token was sent"), `Bearer realm="scim"`
	if hasToken {
		cause, challenge = errors.New("wrong bearer token"), `Bearer realm="scim", error="invalid_token"`
	}
	return &httperror.Error{
		Message: "SCIM request rejected", Level: slog.LevelWarn, Reason: oauth.InvalidToken, Err: cause,
		OAuth:  oauth.Errorf(oauth.InvalidToken, "Send the token of this directory as Bearer in the Authorization header."),
		Attrs:  []any{"provider", providerID},
		Header: http.Header{"Www-Authenticate": {challenge}},
	}
}

// mapError maps every error of a directory that authenticated to its response.
func (h *Handler) mapError(q *request, err error) error {
	e, ok := errors.AsType[*httperror.Error](err)
	switch {
	case ok:
	case errors.Is(err, bridge.ErrNotFound):
		e = reject(http.StatusNotFound, "", "There is no such resource.")
	case errors.Is(err, bridge.ErrUserExists):
		e = reject(http.StatusConflict, uniqueness, "Another user has this userName.")
	case errors.Is(err, bridge.ErrDirectoryFull):
		e = reject(http.StatusInsufficientStorage, "",
			fmt.Sprintf("There are %d users already, and no more can be kept.", bridge.MaxDirectoryUsers))
		e.Level = slog.LevelError
	default:
		e = reject(http.StatusServiceUnavailable, "",
			"The store is unavailable. Nothing is known to have changed; try again.")
		e.Message, e.Reason, e.Level, e.Err = "SCIM request failed", oauth.TemporarilyUnavailable, slog.LevelError, err
		if errors.Is(err, context.Canceled) { // the directory has closed the connection
			e.Level = slog.LevelInfo
		}
	}
	e.Attrs = append(e.Attrs, "provider", q.provider.ID)
	return e
}
