package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// maxEvent is the largest event that is read, in bytes. Those of Alexa have some 2 KiB.
const maxEvent = 64 << 10

// event is an event of a configured skill, from a sender that may send it.
type event struct {
	alexa.Event
	skill   *bridge.Skill
	backend *clients.Backend // that forwarded it; nil: Alexa sent it
}

// accept reads the event of a request and verifies its sender: Alexa, or a backend that serves the skill. With an error
// it returns what is known of the event.
func (h *Handler) accept(r *http.Request) (e event, err error) {
	body, err := readBody(r)
	if err != nil {
		return e, err
	}
	if e.backend, err = h.verify(r, body); err != nil {
		return e, err
	}
	e.Event, err = alexa.ParseEvent(body)
	switch {
	case errors.Is(err, alexa.ErrNotEvent):
		return e, err
	case err != nil:
		return e, fmt.Errorf("%w: %w", errMalformed, err)
	}
	skill := h.Clients.SkillByAlexaID(e.SkillID)
	if skill == nil || e.backend != nil && !e.backend.Serves(h.Clients.SkillIndex(skill.ClientID)) {
		return e, alexa.ErrOtherSkill // to a backend, that of others is as none
	}
	e.skill = skill
	return e, nil
}

// actor returns who ends links by the event.
func (e *event) actor() bridge.Actor {
	if e.backend != nil {
		return bridge.ActorBackend(e.backend.ID)
	}
	return bridge.ActorAlexa
}

// verify verifies who sent a request. The backend is nil if that is Alexa.
func (h *Handler) verify(r *http.Request, body []byte) (*clients.Backend, error) {
	if len(h.verifier.SkillIDs) == 0 {
		return nil, errNoSkillIDs
	}
	if isForwarded(r) {
		return h.authenticate(r, body)
	}
	return nil, h.verifySignature(r, body)
}

func (h *Handler) verifySignature(r *http.Request, body []byte) error {
	slots := h.known
	if h.verifier.NeedsFetch(r.Header) {
		slots = h.fetches
	}
	release, err := slots.Acquire(r.Context(), h.Failures.Network(r), h.Failures.Wait(r) == 0)
	if err != nil {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	defer release()
	// A fetch goes on when its client has gone, and so does what it counts for.
	err = h.verifier.Verify(context.WithoutCancel(r.Context()), r.Header, body)
	if err != nil && !errors.Is(err, alexa.ErrNotFromAlexa) {
		return fmt.Errorf("%w: %w", errNotVerified, err)
	}
	return err
}

// authenticate authenticates the backend that forwards a request, whose time is judged all the same.
func (h *Handler) authenticate(r *http.Request, body []byte) (*clients.Backend, error) {
	if isSigned(r) { // one of the two is wrong, or a proxy added the credentials, so that anybody could forward
		return nil, errSignedAndForwarded
	}
	backend, err := h.Clients.AuthenticateBackend(r, nil)
	if err != nil {
		return nil, err
	}
	return backend, h.verifier.CheckBody(body)
}

// isForwarded reports whether a request wants to be from a backend. Alexa sends no Authorization header.
func isForwarded(r *http.Request) bool { return len(r.Header.Values("Authorization")) > 0 }

func isSigned(r *http.Request) bool {
	return slices.ContainsFunc([]string{"SignatureCertChainUrl", "Signature-256", "Signature"},
		func(name string) bool { return len(r.Header.Values(name)) > 0 })
}

// readBody reads the body as it was sent, which the signature is of. Its content type does not matter.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxEvent))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, HTTPStatus: http.StatusRequestEntityTooLarge,
			Description: "The body must not be larger than 64 KiB."}
	}
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The body could not be read.")
	}
	return body, nil
}
