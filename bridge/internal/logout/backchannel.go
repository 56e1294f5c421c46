package logout

import (
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
)

// backChannel serves POST /backchannel-logout/{provider} (Back-Channel Logout 1.0 §2.5). Parameters but logout_token
// are ignored. It makes no difference to the response whether a link matches.
func (h *Handler) backChannel(p *provider) httperror.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		outcome, err := h.logOut(r, p)
		if err != nil {
			return h.logoutError(r, p, err)
		}
		h.logouts.WithLabelValues(p.ID(), outcome).Inc()
		oauth.WriteEmpty(w, http.StatusOK)
		return nil
	}
}

func (h *Handler) logOut(r *http.Request, p *provider) (outcome string, err error) {
	jwt, err := readLogoutToken(r)
	if err != nil {
		return "", err
	}
	token, err := p.VerifyLogout(r.Context(), jwt)
	if err != nil {
		return "", err
	}
	revoked, err := h.endSessions(r, p, token)
	if err != nil {
		return "", err
	}
	outcome = outcomeOf(revoked)
	if p.policy.OnLogout == bridge.LogoutIgnored {
		outcome = outcomeKept
	}
	h.Log.InfoContext(r.Context(), "back-channel logout", "ref", reference.FromContext(r.Context()), "provider", p.ID(),
		"on_logout", p.policy.OnLogout, "outcome", outcome, "revoked", revoked)
	return outcome, nil
}

// readLogoutToken reads the form. Every fault of it has status 400 (Back-Channel Logout 1.0 §2.8).
func readLogoutToken(r *http.Request) (string, error) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		return "", asBadRequest(err)
	}
	if err := oauth.CheckRepeated(form, "logout_token"); err != nil {
		return "", err
	}
	if form.Get("logout_token") == "" {
		return "", oauth.Errorf(oauth.InvalidRequest, "The parameter logout_token is missing.")
	}
	return form.Get("logout_token"), nil
}

// endSessions does to the links of the sessions what the configuration says, and returns how many it revoked. A token
// with both sub and sid is about one session (Back-Channel Logout 1.0 §2.4): then both must match, but for links whose
// session is not known.
func (h *Handler) endSessions(r *http.Request, p *provider, token upstream.LogoutToken) (revoked int, err error) {
	if p.policy.OnLogout == bridge.LogoutIgnored {
		return 0, nil
	}
	filter := bridge.LinkFilter{Account: p.policy.Account(bridge.Identity{}, token.Sub, token.SID)}
	return h.revoke(r, p, filter, bridge.Revocation{
		Reason:         bridge.ReasonLoggedOut,
		Token:          p.tokenHash("logout", token.ID),
		TokenExpiresAt: token.ExpiresAt,
		Recheck:        p.policy.OnLogout == bridge.LogoutRechecks && p.policy.Offline, // else nobody would ask
	})
}
