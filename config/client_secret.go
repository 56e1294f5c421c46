package config

import (
	"regexp"
	"slices"
)

// ClientSecret is the secret of a skill, to be entered in the developer console. [Config] has only its hash.
type ClientSecret struct {
	Text string
	// Source is the reference that the secret comes from, such as ${PIZZA_CLIENT_SECRET}. Empty: the file itself.
	Source string
}

// LoadClientSecret reads only the client secret of a skill: of several the first, "" if there is none.
func LoadClientSecret(path, clientID string) (ClientSecret, error) {
	b, err := open(path)
	if err != nil {
		return ClientSecret{}, err
	}
	b.keepOnly("skills")
	skills := b.decode().Skills
	i := slices.IndexFunc(skills, func(skill skillForm) bool { return skill.ClientID == clientID })
	if err := b.problems.err(); err != nil || i < 0 || len(skills[i].ClientSecret) == 0 {
		return ClientSecret{}, err
	}
	return ClientSecret{skills[i].ClientSecret[0], b.secretSource(i)}, nil
}

var wholeReference = regexp.MustCompile(`^\$\{[^}]+\}$`)

// secretSource returns the reference that is the whole first client_secret of a skill as written in the file, or "".
func (b *builder) secretSource(i int) string {
	var written struct {
		Skills []struct {
			ClientSecret any `yaml:"client_secret"`
		}
	}
	if err := b.root.Decode(&written); err != nil || i >= len(written.Skills) {
		return ""
	}
	secret := written.Skills[i].ClientSecret
	if several, ok := secret.([]any); ok && len(several) > 0 {
		secret = several[0]
	}
	text, _ := secret.(string)
	if !wholeReference.MatchString(text) {
		return ""
	}
	return text
}
