package bridge

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// TokenKind is what a token is good for. Its text is the prefix of every token of the kind, so that a leaked one can be
// recognised by what finds secrets in code and logs.
type TokenKind string

// Kinds of tokens.
const (
	AccessTokenKind  TokenKind = "aob_at_"
	RefreshTokenKind TokenKind = "aob_rt_"
	CodeKind         TokenKind = "aob_ac_" // of authorization codes
)

// TokenSeedSize is how many random bytes stand behind a token.
const TokenSeedSize = 32

// NewToken writes a token of the kind from its random bytes. The text has only characters of [A-Za-z0-9_-].
func NewToken(kind TokenKind, seed [TokenSeedSize]byte) string {
	return string(kind) + base64.RawURLEncoding.EncodeToString(seed[:])
}

// WellFormed says whether a text could be a token of the kind. One that could not needs no look at the store.
func (kind TokenKind) WellFormed(token string) bool {
	encoded, found := strings.CutPrefix(token, string(kind))
	if !found || len(encoded) != base64.RawURLEncoding.EncodedLen(TokenSeedSize) {
		return false
	}
	for i := range len(encoded) {
		c := encoded[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// NewRandomToken returns a fresh token of the kind.
func NewRandomToken(kind TokenKind) string {
	var seed [TokenSeedSize]byte
	rand.Read(seed[:])
	return NewToken(kind, seed)
}

// Hash is the SHA-256 of something that must not be kept itself, as 64 hexadecimal digits. Tokens have 256 random bits,
// so a slow hash would add nothing but delay.
type Hash string

// HashOf returns the hash of a text.
func HashOf(secret string) Hash {
	sum := sha256.Sum256([]byte(secret))
	return Hash(hex.EncodeToString(sum[:]))
}

// AccessToken is an access token as the store knows it, with the link it belongs to.
type AccessToken struct {
	Link      Link
	IssuedAt  time.Time
	ExpiresAt time.Time // zero: lives as long as its link
}

// Active says whether the token is good at the time given, as far as the store can tell (RFC 7662 §2.2).
func (t AccessToken) Active(now time.Time) bool {
	return !t.Link.Revoked() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}
