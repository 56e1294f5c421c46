package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Backend is a skill's backend, which may look up the tokens of its skills.
type Backend struct {
	ID      string
	Secrets []Secret
	Skills  []string // client ids
}

// Secret is the SHA-256 of a shared secret that an operator chose. Several at once serve a rotation.
type Secret [sha256.Size]byte

// NewSecret hashes a secret.
func NewSecret(text string) Secret { return sha256.Sum256([]byte(text)) }

// HasSecret compares a secret presented with all of the backend's, in a time that depends on neither. A nil backend has
// none.
func (b *Backend) HasSecret(presented string) bool {
	if b == nil {
		return hasSecret(nil, presented)
	}
	return hasSecret(b.Secrets, presented)
}

// hasSecret hashes what is presented even when there is nothing to compare it with. An empty secret is never right.
func hasSecret(secrets []Secret, presented string) bool {
	sum := sha256.Sum256([]byte(presented))
	match := 0
	for _, secret := range append([]Secret{{}}, secrets...) {
		match |= subtle.ConstantTimeCompare(sum[:], secret[:])
	}
	return match == 1 && presented != ""
}
