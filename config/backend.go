package config

import (
	"regexp"
	"slices"

	"alexa-oidc-bridge/bridge"
)

var (
	backendIDForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)
	secretForm    = regexp.MustCompile(`^[!-~]{32,256}$`)
)

func (b *builder) backends(forms []backendForm, skills []*bridge.Skill) []*bridge.Backend {
	if len(forms) == 0 {
		b.warn("backends", "none: nobody can look a token up")
	}
	var backends []*bridge.Backend
	for i, form := range forms {
		path := at("backends", i, "")
		if !backendIDForm.MatchString(form.ID) {
			b.fault(path+".id", "not an id", "write up to 64 letters, digits and . _ ~ -")
		}
		if slices.ContainsFunc(backends, func(before *bridge.Backend) bool { return before.ID == form.ID }) {
			b.fault(path+".id", "used twice", "give each backend an id of its own")
		}
		backends = append(backends, &bridge.Backend{
			ID:      form.ID,
			Secrets: b.secrets(path+".secret", form.Secret),
			Skills:  b.backendSkills(path+".skills", form.Skills, skills),
		})
	}
	return backends
}

// secrets hashes one secret, or several that are good at the same time while one takes the place of another.
func (b *builder) secrets(path string, texts []string) []bridge.Secret {
	cure := "write 32 to 256 letters, digits and signs, as `alexa-oidc-bridge secret` prints them, or a list of such"
	if len(texts) == 0 {
		b.fault(path, "missing", cure)
	}
	var secrets []bridge.Secret
	for i, text := range texts {
		if !secretForm.MatchString(text) && !b.broken[at(path, i, "")] {
			b.fault(path, "too short, too long or with other characters", cure)
		}
		if !b.expanded[path] && !b.expanded[at(path, i, "")] {
			b.warnInline(path)
		}
		secrets = append(secrets, bridge.NewSecret(text))
	}
	return secrets
}

func (b *builder) backendSkills(path string, ids []string, skills []*bridge.Skill) []string {
	if len(ids) == 0 {
		b.fault(path, "missing", "write the client ids of the skills whose tokens it may look up")
	}
	var providers []string
	for i, id := range ids {
		n := slices.IndexFunc(skills, func(skill *bridge.Skill) bool { return skill.ClientID == id })
		if n < 0 {
			b.fault(at(path, i, ""), "no skill has this client id", "write one of the skills' client_id")
			continue
		}
		if !slices.Contains(providers, skills[n].Provider) {
			providers = append(providers, skills[n].Provider)
		}
	}
	if len(providers) > 1 {
		b.warn(path, "of several providers: a sub can be two people's, so the backend must tell people apart by upstream_iss and sub together")
	}
	return ids
}
