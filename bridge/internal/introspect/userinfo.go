package introspect

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Userinfo serves GET and POST /userinfo: the claims of the person whom the access token in the Bearer header belongs
// to (OIDC Core §5.3, RFC 6750 §2.1). A token anywhere else is not read.
func (h *Handler) Userinfo(w http.ResponseWriter, r *http.Request) error {
	token, ok := oauth.BearerToken(r)
	if !ok {
		return unauthorized(`Bearer realm="userinfo"`, &oauth.Error{
			Code: oauth.InvalidRequest, HTTPStatus: http.StatusUnauthorized,
			Description: "Send the access token as Bearer in the Authorization header.",
		})
	}
	release, err := h.waitForTurn(r)
	if err != nil {
		return err
	}
	defer release()
	claims, err := h.userinfo(r.Context(), token)
	switch {
	case isInactive(err):
		return unauthorized(`Bearer realm="userinfo", error="invalid_token"`,
			oauth.Errorf(oauth.InvalidToken, "The access token is not active."))
	case err != nil:
		e := h.mapError(r, err)
		e.Message = "userinfo failed"
		return e
	}
	oauth.WriteJSON(w, http.StatusOK, claims)
	return nil
}

// maxGuessers is how many requests run at once of addresses that have sent too many invented tokens.
const maxGuessers = 8

// waitForTurn lets a request of an address that has sent too many invented tokens wait for its turn: anybody can send
// them, and each is read from the store. A live token is never limited otherwise.
func (h *Handler) waitForTurn(r *http.Request) (release func(), err error) {
	exhausted := h.Failures.Wait(r)
	if exhausted == 0 {
		return func() {}, nil
	}
	release, err = h.guessers.Acquire(r.Context(), h.Failures.Network(r), true)
	if err != nil {
		return nil, httperror.TooMany(exhausted, fmt.Errorf("requests at /userinfo: %w", err))
	}
	return release, nil
}

func unauthorized(challenge string, e *oauth.Error) error {
	return &httperror.Error{Reason: e.Code, OAuth: e, Header: http.Header{"Www-Authenticate": {challenge}}}
}

// userinfo returns the claims of an active token as one flat object, or [bridge.ErrNotFound].
func (h *Handler) userinfo(ctx context.Context, token string) ([]byte, error) {
	q := newQuery(token)
	var buffer []byte
	entry, err := h.resolve(ctx, &q, &buffer)
	if err != nil {
		return nil, err
	}
	var r response
	if err := json.Unmarshal(entry.Response, &r); err != nil {
		return nil, err
	}
	r.Claims["sub"], r.Claims["upstream_iss"] = r.Subject, r.UpstreamISS // overriding claims of the same names
	if r.Test {
		r.Claims["test"] = true
	}
	return json.Marshal(r.Claims)
}
