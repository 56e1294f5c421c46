package server

import "alexa-oidc-bridge/bridge/internal/endpoint"

// BackChannelLogoutURI returns the URL to be registered at a provider for OpenID Connect Back-Channel Logout.
func BackChannelLogoutURI(publicURL, providerID string) string {
	return publicURL + endpoint.BackChannelLogout + providerID
}

// GlobalTokenRevocationURI returns the URL to which a provider sends its Global Token Revocation requests.
func GlobalTokenRevocationURI(publicURL, providerID string) string {
	return publicURL + endpoint.GlobalTokenRevocation + providerID
}
