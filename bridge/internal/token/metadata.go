package token

import (
	"encoding/json"
	"net/http"
	"slices"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// serverMetadata is what RFC 8414 §2 names, as far as some skill can use it.
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
}

// Metadata answers GET /.well-known/oauth-authorization-server.
func (h *Handler) Metadata(w http.ResponseWriter, r *http.Request) {
	oauth.WriteJSON(w, http.StatusOK, h.metadata)
}

func metadata(config Config) []byte {
	withSecret := []string{"client_secret_basic", "client_secret_post"}
	m := serverMetadata{
		Issuer:                config.PublicURL,
		AuthorizationEndpoint: config.PublicURL + "/authorize",
		RevocationEndpoint:    config.PublicURL + "/revoke",
		UserinfoEndpoint:      config.PublicURL + "/userinfo",
	}
	var public, secret bool
	for _, skill := range config.Skills {
		m.ScopesSupported = append(m.ScopesSupported, skill.Scopes...)
		public, secret = public || len(skill.Secrets) == 0, secret || len(skill.Secrets) > 0
		if skill.HasGrant(bridge.GrantImplicit) {
			m.ResponseTypes = append(m.ResponseTypes, bridge.ResponseTypeToken)
			m.ResponseModes = append(m.ResponseModes, "fragment")
			m.GrantTypes = append(m.GrantTypes, "implicit")
		}
		if skill.HasGrant(bridge.GrantAuthorizationCode) {
			m.TokenEndpoint = config.PublicURL + "/token"
			m.ResponseTypes = append(m.ResponseTypes, bridge.ResponseTypeCode)
			m.ResponseModes = append(m.ResponseModes, "query")
			m.GrantTypes = append(m.GrantTypes, grantCode, grantRefresh)
			m.TokenAuthMethods, m.CodeChallengeMethods = withSecret, []string{"S256"}
			m.ISSParameter = true
		}
	}
	if len(config.Backends) > 0 {
		m.IntrospectionEndpoint, m.IntrospectionMethods = config.PublicURL+"/lookup", withSecret
	}
	if secret || len(config.Backends) > 0 {
		m.RevocationAuthMethods = slices.Clone(withSecret)
	}
	if public {
		m.RevocationAuthMethods = append(m.RevocationAuthMethods, "none")
	}
	for _, list := range []*[]string{&m.ScopesSupported, &m.ResponseTypes, &m.ResponseModes, &m.GrantTypes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // never: these are texts
	}
	return body
}
