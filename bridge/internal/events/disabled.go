package events

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
)

// gatewayEvent is what metrics and the log call what Alexa's event gateway answers for a skill that was disabled.
const gatewayEvent = "SKILL_DISABLED_EXCEPTION"

// Disabled serves POST /alexa/disabled, by which a backend ends a link of which Alexa's event gateway says that the
// skill is disabled. A token and a link that are unknown, ended or another skill's are answered with 200 and change
// nothing, as of RFC 7009 §2.2.
func (h *Handler) Disabled(w http.ResponseWriter, r *http.Request) error {
	backend, link, err := h.disable(r)
	outcome := outcomeRevoked
	if errors.Is(err, bridge.ErrNotFound) {
		outcome, err = outcomeNone, nil
	}
	if err != nil {
		e := mapError(err)
		e.Message = "report of a disabled skill rejected"
		h.events.WithLabelValues("", gatewayEvent, e.Reason).Inc()
		return e
	}
	h.events.WithLabelValues(link.ClientID, gatewayEvent, outcome).Inc()
	h.Log.InfoContext(r.Context(), "alexa event", "ref", reference.FromContext(r.Context()), "client_id", link.ClientID,
		"alexa_event", gatewayEvent, "actor", bridge.ActorBackend(backend.ID), "outcome", outcome, "link_id", link.ID)
	oauth.WriteEmpty(w, http.StatusOK)
	return nil
}

// disable ends the link that a request names. ErrNotFound: no live link of a skill that the backend serves.
func (h *Handler) disable(r *http.Request) (*clients.Backend, bridge.Link, error) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		return nil, bridge.Link{}, err
	}
	backend, err := h.Clients.AuthenticateBackend(r, form)
	if err != nil {
		return nil, bridge.Link{}, err
	}
	if err := checkParameters(form); err != nil {
		return nil, bridge.Link{}, err
	}
	ctx, cancel := bridge.WithStoreTimeout(context.WithoutCancel(r.Context()))
	defer cancel()
	by := bridge.Revocation{Reason: bridge.ReasonSkillDisabled, Actor: bridge.ActorBackend(backend.ID), At: h.Now(),
		Origin: h.Origin(r)}
	if token := form.Get("token"); token != "" {
		link, err := h.Store.RevokeByToken(ctx, bridge.HashOf(token), backend.Skills, by)
		return backend, link, err
	}
	link, err := h.revokeByID(ctx, form.Get("link_id"), backend, by)
	return backend, link, err
}

func checkParameters(form url.Values) error {
	if err := oauth.CheckRepeated(form, "token", "link_id"); err != nil {
		return err
	}
	if (form.Get("token") == "") == (form.Get("link_id") == "") {
		return oauth.Errorf(oauth.InvalidRequest, "Send either token or link_id.")
	}
	return nil
}

func (h *Handler) revokeByID(ctx context.Context, id string, backend *clients.Backend, by bridge.Revocation) (
	bridge.Link, error) {
	if !bridge.WellFormedLinkID(id) {
		return bridge.Link{}, bridge.ErrNotFound
	}
	links, err := h.Store.Links(ctx, bridge.LinkFilter{IDs: []string{id}, Live: true})
	if err != nil {
		return bridge.Link{}, err
	}
	if len(links) == 0 || !slices.Contains(backend.Skills, links[0].ClientID) {
		return bridge.Link{}, bridge.ErrNotFound
	}
	revoked, err := h.Store.Revoke(ctx, bridge.LinkFilter{IDs: []string{id}, ClientID: links[0].ClientID}, by)
	if err == nil && len(revoked) == 0 { // another request was faster
		err = bridge.ErrNotFound
	}
	if err != nil {
		return bridge.Link{}, err
	}
	return revoked[0], nil
}
