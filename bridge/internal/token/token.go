package token

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Grant types (RFC 6749 §4.1.3, §6).
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// tokenResponse is a successful response (RFC 6749 §5.1), with its fields in the order of the RFC.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // always present: Alexa decides by it when to refresh
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// request is a token request of an authenticated skill.
type request struct {
	skill     *bridge.Skill
	grantType string // empty: not one of ours
	form      url.Values
}

// Token serves POST /token.
func (h *Handler) Token(w http.ResponseWriter, r *http.Request) error {
	request, err := h.parseRequest(r)
	if err != nil {
		return h.httpError(request, err)
	}
	response, err := h.issue(r, request)
	if err != nil {
		return h.httpError(request, err)
	}
	h.count(request, "issued")
	body, err := json.Marshal(response)
	if err != nil {
		return err
	}
	oauth.WriteJSON(w, http.StatusOK, body)
	return nil
}

// parseRequest authenticates the skill and checks the grant type. Together with an error it returns what is known so
// far.
func (h *Handler) parseRequest(r *http.Request) (request, error) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		return request{}, err
	}
	err = oauth.CheckRepeated(form, "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope")
	if err != nil {
		return request{}, err
	}
	grantType := form.Get("grant_type")
	skill, err := h.Clients.AuthenticateSkill(r, form)
	if err != nil {
		if grantType != grantCode && grantType != grantRefresh {
			grantType = "" // it is a label of a metric
		}
		return request{grantType: grantType}, err
	}
	switch grantType {
	case "":
		return request{skill: skill}, oauth.Errorf(oauth.InvalidRequest, "The parameter grant_type is missing.")
	case grantRefresh: // also for a skill that may not get new links by a code any more
		return request{skill, grantType, form}, nil
	case grantCode:
		if !skill.HasGrant(bridge.GrantAuthorizationCode) {
			err = oauth.Errorf(oauth.UnauthorizedClient, "The skill may not use the authorization code grant.")
		}
		return request{skill, grantType, form}, err
	}
	return request{skill: skill},
		oauth.Errorf(oauth.UnsupportedGrantType, "The grant_type must be authorization_code or refresh_token.")
}

func (h *Handler) issue(r *http.Request, request request) (*tokenResponse, error) {
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	if request.grantType == grantCode {
		return h.redeem(ctx, request.skill, request.form, h.Origin(r))
	}
	return h.refresh(ctx, request.skill, request.form, h.Origin(r))
}

// newTokens returns the hashes of tokens that are issued now. An empty refresh token is none.
func newTokens(skill *bridge.Skill, now time.Time, access, refresh string) bridge.NewTokens {
	tokens := bridge.NewTokens{Access: bridge.HashOf(access), AccessExpiresAt: now.Add(skill.AccessLifetime)}
	if refresh == "" {
		return tokens
	}
	tokens.Refresh = bridge.HashOf(refresh)
	if skill.RefreshLifetime > 0 {
		tokens.RefreshExpiresAt = now.Add(skill.RefreshLifetime)
	}
	return tokens
}

func newTokenResponse(skill *bridge.Skill, link bridge.Link, access, refresh string) *tokenResponse {
	return &tokenResponse{access, "Bearer", int64(skill.AccessLifetime.Seconds()), refresh, link.Scope}
}

func (h *Handler) count(request request, outcome string) {
	h.requests.WithLabelValues(request.clientID(), request.grantType, outcome).Inc()
}

// clientID returns the client id of the skill that authenticated, or "".
func (r request) clientID() string {
	if r.skill == nil {
		return ""
	}
	return r.skill.ClientID
}
