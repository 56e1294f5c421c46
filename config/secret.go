package config

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"alexa-oidc-bridge/bridge/keys"
)

// minDistinct is how many different bytes a secret must have. Of 32 random hexadecimal digits, fewer are never seen.
const minDistinct = 8

// secretUse is where a secret was seen first, and whose it is.
type secretUse struct{ path, party string }

// secret checks what must hold for every secret: that it cannot be guessed, that one party has it, and where it is
// written. The party is whom it authenticates.
func (b *builder) secret(path, party, text, hint string) {
	if why := weakness([]byte(text)); why != "" && text != "" {
		b.problem(path, "can be guessed: "+why, hint)
	}
	b.ownSecret(path, party, text)
	b.warnExposed(path)
}

// key checks one of the keys. Its bytes count, in whichever alphabet they are written.
func (b *builder) key(path string, secret []byte) {
	if why := weakness(secret); why != "" {
		b.problem(path, "can be guessed: "+why, "set what `alexa-oidc-bridge secret` prints")
	}
	b.ownSecret(path, "keys", base64.RawURLEncoding.EncodeToString(secret))
	b.warnExposed(path)
}

// ownSecret rejects a secret that another party has, too: each could then act as the other.
func (b *builder) ownSecret(path, party, text string) {
	if secret, err := keys.Parse(text); err == nil {
		text = base64.RawURLEncoding.EncodeToString(secret)
	}
	other, seen := b.secretUses[text]
	if !seen {
		b.secretUses[text] = secretUse{path, party}
		return
	}
	b.reject(other.party != party && text != "", path, "the same secret as "+other.path,
		"give each its own: what one of them is told, it could use as the other")
}

// weakness returns why a secret can be guessed, or "".
func weakness(secret []byte) string {
	var steps []byte
	for i := 1; i < len(secret); i++ {
		steps = append(steps, secret[i]-secret[i-1])
	}
	switch {
	case countDistinct(secret) < minDistinct:
		return fmt.Sprintf("it has fewer than %d different characters", minDistinct)
	case isRepetition(secret):
		return "it is one block, repeated"
	case len(secret) >= keys.SecretSize && countDistinct(steps) < minDistinct:
		return "it is a sequence"
	}
	return ""
}

func countDistinct(text []byte) (n int) {
	var seen [256]bool
	for _, c := range text {
		if !seen[c] {
			n++
		}
		seen[c] = true
	}
	return n
}

// isRepetition reports whether a text begins again after half of it or less, and so on to its end.
func isRepetition(text []byte) bool {
	for period := 1; period <= len(text)/2; period++ {
		if bytes.HasPrefix(text, text[period:]) {
			return true
		}
	}
	return false
}

// warnExposed warns about a secret that is written in the configuration file itself, and about each file with a secret
// that other users can read.
func (b *builder) warnExposed(path string) {
	files := b.files[path]
	if !b.external[path] {
		b.warn(path, "a secret is written in the configuration file; use ${NAME} or ${file:path} instead")
		files = []string{b.file}
	}
	for _, file := range files {
		if !b.readable[file] && !strings.HasPrefix(file, containerSecrets) && isReadableByOthers(file) {
			b.readable[file] = true
			b.warn(path, "other users of this machine can read "+file+", which holds a secret; set its mode to 0600")
		}
	}
}

// containerSecrets is where container engines mount secrets, readable for every user of the container. It has one.
const containerSecrets = "/run/secrets/"
