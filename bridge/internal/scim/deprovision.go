package scim

import (
	"log/slog"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/reference"
)

// Outcomes of deprovisioning, for the metric.
const (
	outcomeEnded     = "ended"
	outcomeNoLink    = "no_link"
	outcomeAmbiguous = "ambiguous"
)

// ending says which links of a user end, and why.
func (h *Handler) ending(q *request) bridge.Deprovisioning {
	return bridge.Deprovisioning{
		Links: func(user bridge.DirectoryUser) (bridge.LinkFilter, bool) { return q.policy.Links(q.provider, user) },
		Revocation: bridge.Revocation{
			Reason: bridge.ReasonDeprovisioned, Actor: bridge.ActorProvider(q.provider.ID), At: h.Now(),
			Origin: h.Origin(q.Request),
		},
	}
}

// report logs and counts what a change of a user did to links. The directory is told of success in any case: it cannot
// correct what this server could not tell.
func (h *Handler) report(q *request, update bridge.DirectoryUpdate) {
	user := update.After
	if user.ID == "" {
		user = update.Before
	}
	attrs := []any{"ref", reference.FromContext(q.Context()), "provider", q.provider.ID, "user_id", user.ID}
	switch {
	case !update.Deprovisioned():
		if h.isRenamed(q, update) {
			h.Log.WarnContext(q.Context(), "a directory's user was renamed", append(attrs, "attribute", q.policy.Attribute,
				"hint", "links from before do not match the new name: revoke them by links revoke --subject if the person leaves, "+
					"or match by a claim that never changes")...)
		}
		return
	case update.Ambiguous:
		h.count(q, outcomeAmbiguous)
		h.Log.ErrorContext(q.Context(), "no link ended: a directory's user stands for several persons", append(attrs,
			"attribute", q.policy.Attribute, "claim", q.policy.Claim,
			"hint", "find the person by links list, end their links by links revoke --subject, and set scim.attribute and "+
				"scim.claim to names that one person has")...)
		return
	}
	outcome, message := outcomeEnded, "links of a directory's user ended"
	if len(update.Revoked) == 0 {
		outcome, message = outcomeNoLink, "no link of a directory's user"
	}
	h.count(q, outcome)
	h.Log.Log(q.Context(), slog.LevelInfo, message, append(attrs, "attribute", q.policy.Attribute, "claim", q.policy.Claim,
		"links", len(update.Revoked))...)
}

func (h *Handler) count(q *request, outcome string) {
	h.deprovisioned.WithLabelValues(q.provider.ID, outcome).Inc()
}

// isRenamed reports whether a change made a user match other links than before.
func (h *Handler) isRenamed(q *request, update bridge.DirectoryUpdate) bool {
	before, had := q.policy.Links(q.provider, update.Before)
	after, _ := q.policy.Links(q.provider, update.After)
	return had && (before.Subject != after.Subject || before.Account != after.Account)
}
