package events

import (
	"errors"
	"log/slog"
	"net/http"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Outcomes of a request, for the metrics and as the reason in the log.
const (
	outcomeTied         = "tied"            // the Alexa user, to a link
	outcomeRevoked      = "revoked"         // links were revoked
	outcomeNone         = "nothing_revoked" // no link matched
	outcomeNoLink       = "no_link"         // the token is not that of a live link
	outcomeMismatch     = "other_link"      // the token is that of another skill's link
	outcomeIgnored      = "ignored"         // an event that says nothing about a link
	outcomeReplayed     = "replayed"        // it was accepted before
	outcomeBadRequest   = "bad_request"
	outcomeNotFromAlexa = "not_from_alexa"
	outcomeOtherSkill   = "other_skill"
	outcomeNotAnEvent   = "not_an_event"
	outcomeNotVerified  = "not_verified" // it could not be found out who sent it
	outcomeBusy         = "busy"         // nor was it tried
	outcomeUnauthorized = "unauthorized"
	outcomeUnavailable  = "unavailable"
)

var (
	errMalformed          = errors.New("the event is not as Alexa writes it")
	errNotVerified        = errors.New("the sender could not be verified")
	errBusy               = errors.New("as many senders are being verified as may be at once")
	errNoSkillIDs         = errors.New("no skill has skill_ids, so no event is accepted")
	errSignedAndForwarded = oauth.Errorf(oauth.InvalidRequest,
		"The event has a signature and an Authorization header. Send one of the two.")
)

// eventError returns an error of the endpoint of events with its response, log line and metric. What does not come from
// Alexa counts as a failed authentication of its address, though its status is 400, as Amazon requires.
func (h *Handler) eventError(r *http.Request, e event, err error) error {
	mapped := mapError(err)
	mapped.Message = "alexa event rejected"
	if e.backend != nil {
		mapped.Attrs = append(mapped.Attrs, "actor", e.actor())
	}
	skill, name := "", ""
	if e.skill != nil {
		skill, name = e.skill.ClientID, e.name()
		mapped.Attrs = append(mapped.Attrs, "client_id", skill, "alexa_event", name)
	}
	h.events.WithLabelValues(skill, name, mapped.Reason).Inc()
	if isForwarded(r) || !errors.Is(err, alexa.ErrNotFromAlexa) {
		return mapped
	}
	return h.limit(r, mapped)
}

// limit counts a failed authentication, and returns its error or that of too many.
func (h *Handler) limit(r *http.Request, mapped *httperror.Error) *httperror.Error {
	wait := h.Failures.Take(r)
	if wait == 0 {
		return mapped
	}
	limited := httperror.TooMany(wait, mapped.Err)
	limited.Attrs = mapped.Attrs
	return limited
}

// mapError maps every error of this package's endpoints.
func mapError(err error) *httperror.Error {
	reject := func(reason, hint, description string) *httperror.Error {
		return &httperror.Error{Level: slog.LevelWarn, Reason: reason, Err: err, Attrs: []any{"hint", hint},
			OAuth: &oauth.Error{Code: oauth.InvalidRequest, Description: description}}
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return mapOAuth(err, e)
	}
	switch {
	case errors.Is(err, errNoSkillIDs), errors.Is(err, alexa.ErrOtherSkill):
		return reject(outcomeOtherSkill, "if it is one of yours, add its id to skill_ids, and the skill to those of "+
			"the backend that forwards", "The event is of another skill.")
	case errors.Is(err, alexa.ErrNotFromAlexa):
		return reject(outcomeNotFromAlexa,
			"if you miss an event: the proxy must pass on the body and the headers as they are",
			"The request is not from Alexa, or it is too old.")
	case errors.Is(err, alexa.ErrNotEvent):
		return reject(outcomeNotAnEvent, "this URL is for events only: set it as events.endpoint of the manifest, "+
			"and not as the endpoint of the skill", "The request is not a skill event.")
	case errors.Is(err, errMalformed):
		return reject(outcomeBadRequest, "report it with this line: Alexa sends another form of events",
			"The event is malformed.")
	case errors.Is(err, errNotVerified):
		return unverified(err, outcomeNotVerified, "let the server reach https://s3.amazonaws.com/echo.api/")
	case errors.Is(err, errBusy):
		return unverified(err, outcomeBusy, "if it lasts, somebody invents events: block the addresses of these lines")
	}
	return &httperror.Error{Level: slog.LevelError, Reason: outcomeUnavailable, Err: err,
		OAuth: oauth.Errorf(oauth.TemporarilyUnavailable, "The store is unavailable. Send the request again.")}
}

// unverified returns the error for a sender that is not known yet.
func unverified(err error, reason, hint string) *httperror.Error {
	return &httperror.Error{Level: slog.LevelWarn, Reason: reason, Err: err, Attrs: []any{"hint", hint}, Unverified: true,
		OAuth: oauth.Errorf(oauth.TemporarilyUnavailable, "The sender cannot be verified now. Send the request again.")}
}

// mapOAuth maps an error that has its response.
func mapOAuth(err error, e *oauth.Error) *httperror.Error {
	mapped := &httperror.Error{Level: slog.LevelWarn, Reason: outcomeBadRequest, Err: err, OAuth: e}
	if e.Code == oauth.InvalidClient {
		mapped.Reason, mapped.Attrs = outcomeUnauthorized, clients.LogAttrs(err)
		mapped.Header = http.Header{"Www-Authenticate": {`Basic realm="alexa"`}}
	}
	return mapped
}
