package server

import (
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/upstream"
)

// newRegistry returns the registry of a configuration with these providers.
func newRegistry(config Config, upstreams map[string]*upstream.Provider) *clients.Registry {
	var providers []bridge.Provider
	for _, p := range upstreams {
		providers = append(providers, bridge.Provider{
			ID: p.ID(), Issuer: p.Issuer(),
			SubjectClaim: p.SubjectClaim(), EmailClaim: p.EmailClaim(), GroupsClaim: p.GroupsClaim(),
		})
	}
	return clients.New(config.Skills, providers, config.Accounts, config.Backends)
}

// LinkChecker returns a function that returns why a server with this configuration would suspend a link, or "". The
// link must not be revoked.
func (c Config) LinkChecker() func(link *bridge.Link) bridge.Reason {
	upstreams := map[string]*upstream.Provider{}
	for _, provider := range c.Providers {
		upstreams[provider.ID] = upstream.New(provider, time.Now)
	}
	return newRegistry(c, upstreams).CheckLink
}

// providerIDs returns the ids of the providers, in their order in the configuration.
func providerIDs(config Config) []string {
	var ids []string
	for _, provider := range config.Providers {
		ids = append(ids, provider.ID)
	}
	return ids
}
