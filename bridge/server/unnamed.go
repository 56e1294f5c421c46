package server

import (
	"context"
	"log/slog"

	"alexa-oidc-bridge/bridge"
)

// maxUnnamed is how many links are counted of a provider, so that a start costs little however many there are.
const maxUnnamed = 100_000

// logUnnamed says, once for each provider, how many live links were made before it was recorded how the provider names
// their persons: a logout, a revocation or a deactivation that the provider sends does not match them.
func (s *Server) logUnnamed(ctx context.Context) {
	for id, upstream := range s.upstreams {
		policy := s.policies[id]
		if policy.Unmatched(bridge.UnnamedLinks{All: 1, OtherSubject: 1}) == 0 {
			continue
		}
		provider := bridge.Provider{ID: id, Issuer: upstream.Issuer()}
		links, err := s.deps.Store.CountUnnamedLinks(ctx, provider, maxUnnamed)
		unmatched := policy.Unmatched(links)
		log := s.deps.Log.With("provider", id)
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("older links not counted", "error", err)
		case unmatched > 0:
			log.LogAttrs(ctx, slog.LevelInfo, "older links match no logout, revocation or deactivation of the provider",
				slog.Int("links", unmatched), slog.Bool("or_more", links.All == maxUnnamed),
				slog.String("hint", "they match once these people link again; end a person's by links revoke --subject"))
		}
	}
}
