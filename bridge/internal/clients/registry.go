// Package clients is the registry of everybody who is configured: skills, which are our OAuth clients, the providers
// at which their people sign in, and backends. It authenticates skills and backends, and decides whether a link is
// still one that the configuration permits. It does not change.
package clients

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Registry holds what is configured. It is safe for concurrent use.
type Registry struct {
	skills       map[string]*bridge.Skill
	sorted       []*bridge.Skill // by client id
	providers    map[string]bridge.Provider
	policies     map[string]bridge.AccountPolicy
	backends     map[string]*Backend
	skillIndexes map[string]uint32
	alexaIDs     map[string]*bridge.Skill
	headers      headerCache
}

// Backend is a configured backend together with the skills whose tokens it may look up.
type Backend struct {
	bridge.Backend
	serves []bool // by skill index
}

// Serves reports whether the backend may look up tokens of a skill, given by [Registry.SkillIndex].
func (b *Backend) Serves(skillIndex uint32) bool { return b.serves[skillIndex] }

// New returns a registry. Client ids and ids must be unique; policies are by the id of the provider.
func New(skills []*bridge.Skill, providers []bridge.Provider, policies map[string]bridge.AccountPolicy,
	backends []*bridge.Backend) *Registry {
	r := &Registry{
		policies:     policies,
		skills:       map[string]*bridge.Skill{},
		providers:    map[string]bridge.Provider{},
		backends:     map[string]*Backend{},
		skillIndexes: map[string]uint32{},
		alexaIDs:     map[string]*bridge.Skill{},
	}
	for _, skill := range skills {
		r.skills[skill.ClientID] = skill
		for _, id := range skill.SkillIDs {
			r.alexaIDs[id] = skill
		}
	}
	byClientID := func(a, b *bridge.Skill) int { return cmp.Compare(a.ClientID, b.ClientID) }
	r.sorted = slices.SortedFunc(maps.Values(r.skills), byClientID)
	for i, skill := range r.sorted {
		r.skillIndexes[skill.ClientID] = uint32(i)
	}
	for _, provider := range providers {
		r.providers[provider.ID] = provider
	}
	for _, backend := range backends {
		r.backends[backend.ID] = r.newBackend(backend)
	}
	return r
}

func (r *Registry) newBackend(configured *bridge.Backend) *Backend {
	backend := &Backend{Backend: *configured, serves: make([]bool, len(r.skills))}
	for _, clientID := range configured.Skills {
		if index, ok := r.skillIndexes[clientID]; ok {
			backend.serves[index] = true
		}
	}
	return backend
}

// Skill returns the skill with a client id, or nil.
func (r *Registry) Skill(clientID string) *bridge.Skill { return r.skills[clientID] }

// SkillByAlexaID returns the skill that Alexa calls by an id, amzn1.ask.skill.…, or nil.
func (r *Registry) SkillByAlexaID(id string) *bridge.Skill { return r.alexaIDs[id] }

// AlexaSkillIDs returns all ids by which Alexa calls a skill, sorted.
func (r *Registry) AlexaSkillIDs() []string { return slices.Sorted(maps.Keys(r.alexaIDs)) }

// SkillIndex returns a small number that stands for a configured skill in this registry.
func (r *Registry) SkillIndex(clientID string) uint32 { return r.skillIndexes[clientID] }

// SkillAt returns the skill that a number of [Registry.SkillIndex] stands for.
func (r *Registry) SkillAt(index uint32) *bridge.Skill { return r.sorted[index] }

// Skills returns all skills, sorted by client id.
func (r *Registry) Skills() []*bridge.Skill { return slices.Clone(r.sorted) }

// HasBackends reports whether any backend is configured.
func (r *Registry) HasBackends() bool { return len(r.backends) > 0 }

// Provider returns the provider with an id, or the zero value.
func (r *Registry) Provider(id string) bridge.Provider { return r.providers[id] }

// AccountPolicy returns the policy of the provider with an id, or the zero value.
func (r *Registry) AccountPolicy(providerID string) bridge.AccountPolicy {
	return r.policies[providerID]
}

// RecheckAt returns from when on a use of a link is a reason to ask its provider about the account; zero: never.
func (r *Registry) RecheckAt(link *bridge.Link) time.Time {
	policy := r.policies[link.Provider.ID]
	if !policy.Offline || link.CheckedAt.IsZero() {
		return time.Time{}
	}
	return link.CheckedAt.Add(policy.RecheckAfter)
}

// UnknownAt returns from when on nobody can say whether the account of a link still lives; zero: never.
func (r *Registry) UnknownAt(link *bridge.Link) time.Time {
	policy := r.policies[link.Provider.ID]
	if !policy.Offline || policy.RecheckLimit == 0 || link.CheckedAt.IsZero() {
		return time.Time{}
	}
	return link.CheckedAt.Add(policy.RecheckLimit)
}

// UniversalLogout returns the ids of the providers whose Global Token Revocation requests are accepted, sorted.
func (r *Registry) UniversalLogout() []string {
	ids := slices.Sorted(maps.Keys(r.providers))
	return slices.DeleteFunc(ids, func(id string) bool { return !r.policies[id].UniversalLogout })
}

// CheckLink returns why the configuration does not permit a link, or "". A link that is not permitted is suspended,
// and not revoked: it is good again once the configuration is changed back.
func (r *Registry) CheckLink(link *bridge.Link) bridge.Reason {
	skill := r.skills[link.ClientID]
	if skill == nil {
		return bridge.ReasonUnknownSkill
	}
	return skill.CheckLink(link, r.providers[skill.Provider])
}
