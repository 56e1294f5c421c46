package token

import (
	"encoding/json"
	"net/http"
	"slices"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
)

// serverMetadata are the fields of RFC 8414 §2 that a configured skill or backend can use.
type serverMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint,omitempty"`
	ScopesSupported       []string `json:"scopes_supported,omitempty"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported,omitempty"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionEndpoint string   `json:"introspection_endpoint,omitempty"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	ISSParameter          bool     `json:"authorization_response_iss_parameter_supported,omitempty"`

	// draft-parecki-oauth-global-token-revocation
	GlobalRevocationEndpoint string   `json:"global_token_revocation_endpoint,omitempty"`
	GlobalRevocationMethods  []string `json:"global_token_revocation_endpoint_auth_methods_supported,omitempty"`
}

// Metadata serves GET /.well-known/oauth-authorization-server.
func (h *Handler) Metadata(w http.ResponseWriter, _ *http.Request) error {
	oauth.WriteJSON(w, http.StatusOK, h.metadata)
	return nil
}

// encodeMetadata encodes the metadata, which depends on the configuration only.
func encodeMetadata(deps endpoint.Deps) []byte {
	m := serverMetadata{
		Issuer:                deps.PublicURL,
		AuthorizationEndpoint: deps.PublicURL + "/authorize",
		RevocationEndpoint:    deps.PublicURL + "/revoke",
		UserinfoEndpoint:      deps.PublicURL + "/userinfo",
	}
	withSecret := []string{"client_secret_basic", "client_secret_post"}
	hasBackends := deps.Clients.HasBackends()
	hasSecret, hasPublic := hasBackends, false
	for _, skill := range deps.Clients.Skills() {
		m.addSkill(deps.PublicURL, skill, withSecret)
		hasSecret, hasPublic = hasSecret || len(skill.Secrets) > 0, hasPublic || len(skill.Secrets) == 0
	}
	if hasBackends {
		m.IntrospectionEndpoint, m.IntrospectionMethods = deps.PublicURL+"/lookup", withSecret
	}
	if hasSecret {
		m.RevocationAuthMethods = slices.Clone(withSecret)
	}
	if hasPublic {
		m.RevocationAuthMethods = append(m.RevocationAuthMethods, "none")
	}
	// Each provider has an endpoint, and the metadata room for one.
	if providers := deps.Clients.UniversalLogout(); len(providers) == 1 {
		m.GlobalRevocationEndpoint = deps.PublicURL + endpoint.GlobalTokenRevocation + providers[0]
		m.GlobalRevocationMethods = []string{upstream.RevocationType}
	}
	for _, list := range []*[]string{&m.ScopesSupported, &m.ResponseTypes, &m.ResponseModes, &m.GrantTypes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // cannot happen: all fields are strings, lists of strings or booleans
	}
	return body
}

func (m *serverMetadata) addSkill(publicURL string, skill *bridge.Skill, withSecret []string) {
	m.ScopesSupported = append(m.ScopesSupported, skill.Scopes...)
	if skill.HasGrant(bridge.GrantImplicit) {
		m.ResponseTypes = append(m.ResponseTypes, bridge.ResponseTypeToken)
		m.ResponseModes = append(m.ResponseModes, "fragment")
		m.GrantTypes = append(m.GrantTypes, "implicit")
	}
	if skill.HasGrant(bridge.GrantAuthorizationCode) {
		m.TokenEndpoint = publicURL + "/token"
		m.ResponseTypes = append(m.ResponseTypes, bridge.ResponseTypeCode)
		m.ResponseModes = append(m.ResponseModes, "query")
		m.GrantTypes = append(m.GrantTypes, grantCode, grantRefresh)
		m.TokenAuthMethods, m.CodeChallengeMethods = withSecret, []string{"S256"}
		m.ISSParameter = true
	}
}
