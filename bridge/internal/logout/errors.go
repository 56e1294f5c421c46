package logout

import (
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
)

// Outcomes of a request, for the metrics and as the reason in the log.
const (
	outcomeRevoked     = "revoked"         // links were revoked
	outcomeNone        = "nothing_revoked" // no link matched, or a recheck was asked for
	outcomeKept        = "kept"            // the configuration says so
	outcomeBadRequest  = "bad_request"
	outcomeInvalid     = "invalid_token"
	outcomeReplayed    = "replayed"
	outcomeForbidden   = "other_issuer"
	outcomeAmbiguous   = "ambiguous"
	outcomeUnavailable = "unavailable"
)

func outcomeOf(revoked int) string {
	if revoked > 0 {
		return outcomeRevoked
	}
	return outcomeNone
}

var (
	errNoToken = &oauth.Error{Code: oauth.InvalidRequest, HTTPStatus: http.StatusUnauthorized,
		Description: "Send the JWT as Bearer in the Authorization header."}
	errOtherIssuer = &oauth.Error{Code: oauth.AccessDenied, HTTPStatus: http.StatusForbidden,
		Description: "The subject is of another issuer."}
	errAmbiguous = &oauth.Error{Code: oauth.InvalidRequest, HTTPStatus: http.StatusUnprocessableEntity,
		Description: "Several accounts have this e-mail address, so nothing was revoked. Send iss_sub."}
	errKeys = oauth.Errorf(oauth.TemporarilyUnavailable,
		"The keys of the provider cannot be fetched. Send the request again.")
	errStore = oauth.Errorf(oauth.TemporarilyUnavailable, "The store is unavailable. Send the request again.")
)

// asBadRequest returns an error of a form with status 400.
func asBadRequest(err error) error {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return err
	}
	return oauth.Errorf(oauth.InvalidRequest, "%s", e.Description)
}

// logoutError returns an error of a back-channel logout with its response, log line and metric. What does not
// authenticate counts as a failure of its address, though its status is 400 (Back-Channel Logout 1.0 §2.8).
func (h *Handler) logoutError(r *http.Request, p *provider, err error) error {
	e := mapError(err, oauth.Errorf(oauth.InvalidRequest, "The logout token is not valid."))
	e.Message = "back-channel logout failed"
	e.Attrs = append(e.Attrs, "provider", p.ID())
	h.logouts.WithLabelValues(p.ID(), e.Reason).Inc()
	if e.Reason != outcomeInvalid && e.Reason != outcomeBadRequest {
		return e
	}
	if wait := h.Failures.Take(r); wait > 0 {
		limited := httperror.TooMany(wait, err)
		limited.Attrs = e.Attrs
		return limited
	}
	return e
}

// revocationError returns an error of a Global Token Revocation with its response, log line and metric.
func (h *Handler) revocationError(p *provider, err error) error {
	e := mapError(err, oauth.Errorf(oauth.InvalidToken, "The JWT is not valid."))
	e.Message = "global token revocation failed"
	e.Attrs = append(e.Attrs, "provider", p.ID())
	if e.OAuth.Status() == http.StatusUnauthorized {
		challenge := `Bearer realm="global-token-revocation"`
		if e.OAuth != errNoToken {
			challenge += `, error="invalid_token"` // RFC 6750 §3.1
		}
		e.Header = http.Header{"Www-Authenticate": {challenge}}
	}
	h.revocations.WithLabelValues(p.ID(), e.Reason).Inc()
	return e
}

// mapError maps every error of this package's endpoints. The error invalid is the response to a JWT that is not
// accepted.
func mapError(err error, invalid *oauth.Error) *httperror.Error {
	newError := func(level slog.Level, reason string, response *oauth.Error) *httperror.Error {
		return &httperror.Error{Level: level, Reason: reason, Err: err, OAuth: response}
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return newError(slog.LevelWarn, reasonOf(e), e)
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		mapped := newError(slog.LevelWarn, outcomeInvalid, invalid)
		if e.Stage != upstream.StageLogout && e.Stage != upstream.StageRevocation {
			mapped = newError(slog.LevelWarn, outcomeUnavailable, errKeys)
			mapped.Unverified = true
		}
		if e.Hint != "" {
			mapped.Attrs = []any{"hint", e.Hint}
		}
		return mapped
	}
	switch {
	case errors.Is(err, bridge.ErrTokenUsed):
		return newError(slog.LevelWarn, outcomeReplayed, invalid)
	case errors.Is(err, bridge.ErrAmbiguous): // the provider wanted something to end that lives on
		return newError(slog.LevelError, outcomeAmbiguous, errAmbiguous)
	}
	return newError(slog.LevelError, outcomeUnavailable, errStore)
}

func reasonOf(e *oauth.Error) string {
	switch e {
	case errNoToken:
		return outcomeInvalid
	case errOtherIssuer:
		return outcomeForbidden
	}
	return outcomeBadRequest
}
