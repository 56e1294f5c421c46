package logout

import (
	"net/http"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
)

// globalTokenRevocation serves POST /global-token-revocation/{provider}. Whether the person has a link makes no
// difference to the response.
func (h *Handler) globalTokenRevocation(p *provider) httperror.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		revoked, err := h.revokeAccount(r, p)
		if err != nil {
			return h.revocationError(p, err)
		}
		outcome := outcomeOf(revoked)
		h.revocations.WithLabelValues(p.ID(), outcome).Inc()
		h.Log.InfoContext(r.Context(), "global token revocation", "ref", reference.FromContext(r.Context()),
			"provider", p.ID(), "outcome", outcome, "revoked", revoked)
		oauth.WriteEmpty(w, http.StatusNoContent)
		return nil
	}
}

func (h *Handler) revokeAccount(r *http.Request, p *provider) (revoked int, err error) {
	jwt, ok := oauth.BearerToken(r)
	if !ok {
		return 0, errNoToken
	}
	token, err := p.VerifyRevocation(r.Context(), jwt, h.PublicURL+endpoint.GlobalTokenRevocation+p.ID())
	if err != nil {
		return 0, err
	}
	subject, err := readSubject(r)
	if err != nil {
		return 0, err
	}
	filter, err := p.filter(subject)
	if err != nil {
		return 0, err
	}
	return h.revoke(r, p, filter, bridge.Revocation{
		Reason:         bridge.ReasonAccountRevoked,
		Token:          p.tokenHash(upstream.RevocationType, token.ID),
		TokenExpiresAt: token.ExpiresAt,
	})
}

// filter returns the filter of the links of a person. An e-mail address may be that of several; then nothing is
// revoked.
func (p *provider) filter(subject subject) (bridge.LinkFilter, error) {
	if subject.email != "" {
		claims := bridge.Claims{bridge.ClaimEmail: subject.email, bridge.ClaimEmailVerified: true}
		verified := bridge.Identity{Claims: claims}
		// Not by the name in a directory, which would have to match as well: links from before SCIM have none.
		account := bridge.Account{Email: p.policy.Account(verified, "", "").Email}
		return bridge.LinkFilter{Account: account, OnePerson: true}, nil
	}
	if subject.issuer != p.Issuer() {
		return bridge.LinkFilter{}, errOtherIssuer
	}
	return bridge.LinkFilter{Account: p.policy.Account(bridge.Identity{}, subject.sub, "")}, nil
}
