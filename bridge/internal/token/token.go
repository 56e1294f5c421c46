package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
)

// Names of grant types (RFC 6749 §4.1.3, §6).
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// answer is what the token endpoint gives out (RFC 6749 §5.1), with its fields in the RFC's order.
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // always: Alexa decides by it when to refresh
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// Token answers POST /token.
func (h *Handler) Token(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		oauth.WriteError(w, oauth.FormStatus(err), oauth.Errorf(oauth.InvalidRequest, "%s.", err))
		return
	}
	skill, grantType, fault := h.read(r, form)
	var given *answer
	if fault == nil {
		given, fault = h.grant(r, skill, grantType, form)
	}
	if fault != nil {
		h.count(skill, grantType, fault.Code)
		h.deps.Log.Info("no token", "ref", reference.FromContext(r.Context()), "client_id", idOf(skill), "grant_type", grantType, "error", fault)
		h.fail(w, fault)
		return
	}
	h.count(skill, grantType, "issued")
	body, err := json.Marshal(given)
	if err != nil {
		panic(err) // never: these are texts and a number
	}
	oauth.WriteJSON(w, http.StatusOK, body)
}

// read checks who asks for what. The grant type is empty when it is not one of ours.
func (h *Handler) read(r *http.Request, form url.Values) (*bridge.Skill, string, *oauth.Error) {
	for _, name := range []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope"} {
		if _, once := oauth.Single(form, name); !once {
			return nil, "", oauth.Errorf(oauth.InvalidRequest, "The parameter %s is repeated.", name)
		}
	}
	skill, fault := h.authenticate(r, form)
	if fault != nil {
		return nil, "", fault
	}
	switch grantType := form.Get("grant_type"); grantType {
	case "":
		return skill, "", oauth.Errorf(oauth.InvalidRequest, "The parameter grant_type is missing.")
	case grantRefresh: // also for a skill that may not get new links by code any more
		return skill, grantType, nil
	case grantCode:
		if !skill.HasGrant(bridge.GrantAuthorizationCode) {
			return skill, grantType, oauth.Errorf(oauth.UnauthorizedClient, "The skill may not use the authorization code grant.")
		}
		return skill, grantType, nil
	}
	return skill, "", oauth.Errorf(oauth.UnsupportedGrantType, "The grant_type must be authorization_code or refresh_token.")
}

func (h *Handler) grant(r *http.Request, skill *bridge.Skill, grantType string, form url.Values) (*answer, *oauth.Error) {
	ctx, cancel := h.bounded(r)
	defer cancel()
	if grantType == grantCode {
		return h.redeem(ctx, skill, form)
	}
	return h.refresh(ctx, skill, form)
}

// redeem exchanges a code (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (h *Handler) redeem(ctx context.Context, skill *bridge.Skill, form url.Values) (*answer, *oauth.Error) {
	code := form.Get("code")
	if code == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The parameter code is missing.")
	}
	challenge, ok := challengeOf(form.Get("code_verifier"))
	if !ok || !bridge.CodeKind.WellFormed(code) {
		return nil, invalidGrant()
	}
	now := h.deps.Now()
	access, refresh := bridge.NewRandomToken(bridge.AccessTokenKind), bridge.NewRandomToken(bridge.RefreshTokenKind)
	link, err := h.deps.Store.Redeem(ctx, bridge.Redemption{
		Code:          bridge.HashOf(code),
		ClientID:      skill.ClientID,
		RedirectURI:   form.Get("redirect_uri"),
		CodeChallenge: challenge,
		Tokens:        newTokens(skill, now, access, refresh),
		MaxLinks:      skill.MaxLinksPerPerson,
		Now:           now,
		Honours:       h.honours(skill),
	})
	if err != nil {
		return nil, h.refused(ctx, skill, err)
	}
	return &answer{access, "Bearer", int64(skill.AccessLifetime.Seconds()), refresh, link.Scope}, nil
}

var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// challengeOf makes the S256 challenge of a verifier; of none it makes none.
func challengeOf(verifier string) (challenge string, ok bool) {
	if verifier == "" {
		return "", true
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]), verifierForm.MatchString(verifier)
}

// refresh gives out a new access token (RFC 6749 §6).
func (h *Handler) refresh(ctx context.Context, skill *bridge.Skill, form url.Values) (*answer, *oauth.Error) {
	presented := form.Get("refresh_token")
	if presented == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "The parameter refresh_token is missing.")
	}
	if !bridge.RefreshTokenKind.WellFormed(presented) {
		return nil, invalidGrant()
	}
	now := h.deps.Now()
	access, successor := bridge.NewRandomToken(bridge.AccessTokenKind), ""
	if skill.RotateRefresh {
		successor = bridge.NewRandomToken(bridge.RefreshTokenKind)
	}
	link, err := h.deps.Store.Refresh(ctx, bridge.Refresh{
		Token:    bridge.HashOf(presented),
		ClientID: skill.ClientID,
		Tokens:   newTokens(skill, now, access, successor),
		Now:      now,
		Scope:    form.Get("scope"),
		Honours:  h.honours(skill),
	})
	if err != nil {
		return nil, h.refused(ctx, skill, err)
	}
	if successor == "" {
		successor = presented
	}
	return &answer{access, "Bearer", int64(skill.AccessLifetime.Seconds()), successor, link.Scope}, nil
}

// newTokens are the hashes of tokens that are given out now. An empty refresh token is none.
func newTokens(skill *bridge.Skill, now time.Time, access, refresh string) bridge.NewTokens {
	tokens := bridge.NewTokens{Access: bridge.HashOf(access), AccessExpiresAt: now.Add(skill.AccessLifetime)}
	if refresh != "" {
		tokens.Refresh = bridge.HashOf(refresh)
	}
	if refresh != "" && skill.RefreshLifetime > 0 {
		tokens.RefreshExpiresAt = now.Add(skill.RefreshLifetime)
	}
	return tokens
}

func invalidGrant() *oauth.Error {
	return oauth.Errorf(oauth.InvalidGrant, "The code or refresh token is not good for this, or is not good any more.")
}

// refused words the store's answer. What is final for the link is invalid_grant; what may be over soon is not.
func (h *Handler) refused(ctx context.Context, skill *bridge.Skill, err error) *oauth.Error {
	log := h.deps.Log.With("ref", reference.FromContext(ctx), "client_id", skill.ClientID)
	switch {
	case errors.Is(err, bridge.ErrNotFound), errors.Is(err, bridge.ErrMismatch), errors.Is(err, bridge.ErrRevoked):
		log.Info("code or refresh token refused", "reason", err)
		return invalidGrant()
	case errors.Is(err, bridge.ErrReplayed):
		log.Warn("token request refused: a code or refresh token was presented again")
		return invalidGrant()
	case errors.Is(err, bridge.ErrScope):
		return oauth.Errorf(oauth.InvalidScope, "The scope is more than what was granted.")
	case errors.Is(err, bridge.ErrSuspended):
		log.Warn("token request refused: the configuration does not honour the link")
		return oauth.Errorf(oauth.TemporarilyUnavailable, "The link is suspended.")
	}
	if errors.Is(err, context.Canceled) {
		log.Info("the client has gone") // and reads no answer
	} else {
		log.Error("store unavailable", "error", err)
	}
	return oauth.Errorf(oauth.TemporarilyUnavailable, "Cannot tell now. Try again.")
}

func (h *Handler) count(skill *bridge.Skill, grantType, outcome string) {
	h.outcomes.WithLabelValues(idOf(skill), grantType, outcome).Inc()
}

// idOf is the client id of a skill that authenticated, or nothing.
func idOf(skill *bridge.Skill) string {
	if skill == nil {
		return ""
	}
	return skill.ClientID
}
