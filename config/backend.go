package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

var backendIDPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

func (b *builder) backends(forms []backendForm, skills []*bridge.Skill) []*bridge.Backend {
	var backends []*bridge.Backend
	for i, form := range forms {
		path := element("backends", i)
		b.reject(!backendIDPattern.MatchString(form.ID), path+".id", "not an id",
			"use 1 to 64 letters, digits and . _ ~ -")
		if slices.ContainsFunc(backends, func(other *bridge.Backend) bool { return other.ID == form.ID }) {
			b.problem(path+".id", "not unique", "give each backend a different id")
		}
		backends = append(backends, &bridge.Backend{
			ID:      form.ID,
			Secrets: b.secrets(path+".secret", form.Secret),
			Skills:  b.backendSkills(path+".skills", form.Skills, skills),
		})
	}
	return backends
}

// secrets hashes one secret, or several that are all accepted while one replaces another.
func (b *builder) secrets(path string, texts []string) []bridge.Secret {
	const hint = "set 32 to 256 printable ASCII characters without spaces, " +
		"as printed by `alexa-oidc-bridge secret`, or a list"
	b.reject(len(texts) == 0, path, "missing", hint)
	owner := parent(path)
	var secrets []bridge.Secret
	for i, text := range texts {
		path := b.textPath(path, i)
		b.printable(path, text)
		b.reject(strings.Contains(text, " "), path, "contains a space", hint)
		b.reject(len(text) < 32 || len(text) > 256, path, fmt.Sprintf("%d characters long", len(text)), hint)
		b.secret(path, owner, text, "set what `alexa-oidc-bridge secret` prints")
		secrets = append(secrets, bridge.NewSecret(text))
	}
	return secrets
}

func (b *builder) backendSkills(path string, ids []string, skills []*bridge.Skill) []string {
	b.reject(len(ids) == 0, path, "missing",
		"list the client ids of the skills whose tokens this backend may look up")
	var providers []string
	for i, id := range ids {
		skill := skillByID(skills, id)
		if skill == nil {
			b.reject(!b.isFaulty("skills") && skillByID(skills, "") == nil, element(path, i), "no skill has this client id",
				"use the client_id of a skill")
			continue
		}
		providers = append(providers, skill.Provider)
	}
	slices.Sort(providers)
	if len(slices.Compact(providers)) > 1 {
		b.warn(path, "the skills have several providers, which may use the same sub for different people; "+
			"the backend must identify people by upstream_iss and sub together")
	}
	return ids
}

// skillByID returns nil if there is no such skill.
func skillByID(skills []*bridge.Skill, id string) *bridge.Skill {
	i := slices.IndexFunc(skills, func(skill *bridge.Skill) bool { return skill.ClientID == id })
	if i < 0 {
		return nil
	}
	return skills[i]
}
