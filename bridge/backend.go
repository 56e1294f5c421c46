package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Backend is the backend of skills: a resource server that may look up their tokens (RFC 7662).
type Backend struct {
	ID      string
	Secrets []Secret
	Skills  []string // client ids
}

// Secret is the SHA-256 of a shared secret. Operators choose secrets of 32 characters or more, so a slow hash would
// only slow down requests.
type Secret [sha256.Size]byte

// NewSecret hashes a secret.
func NewSecret(text string) Secret { return sha256.Sum256([]byte(text)) }

// HasSecret reports whether a secret is one of the backend's, in constant time. A nil backend has none.
func (b *Backend) HasSecret(secret string) bool {
	if b == nil {
		return hasSecret(nil, secret)
	}
	return hasSecret(b.Secrets, secret)
}

// hasSecret hashes the secret even when there is none to compare it with, and compares it with one that nothing hashes
// to, so that an unknown id takes as long as a wrong secret. The empty secret is never right.
func hasSecret(secrets []Secret, secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	if len(secrets) == 0 {
		secrets = make([]Secret, 1)
	}
	match := 0
	for i := range secrets {
		match |= subtle.ConstantTimeCompare(sum[:], secrets[i][:])
	}
	return match == 1 && secret != ""
}
