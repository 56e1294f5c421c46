package bridge

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// TokenKind is what a token is for. Its text is the prefix of all tokens of the kind, so that secret scanners
// recognise a token that leaked into code or logs.
type TokenKind string

// Kinds of tokens.
const (
	AccessTokenKind  TokenKind = "aob_at_"
	RefreshTokenKind TokenKind = "aob_rt_"
	CodeKind         TokenKind = "aob_ac_" // of authorization codes
)

// TokenSeedSize is how many random bytes a token encodes.
const TokenSeedSize = 32

// NewToken encodes random bytes as a token. It has only characters of [A-Za-z0-9_-].
func NewToken(kind TokenKind, seed [TokenSeedSize]byte) string {
	return string(kind) + base64.RawURLEncoding.EncodeToString(seed[:])
}

// WellFormed reports whether a text has the form of a token of the kind. If not, there is no need to ask the store.
func (kind TokenKind) WellFormed(token string) bool { return wellFormed(kind, token) }

// WellFormedBytes is WellFormed for bytes.
func (kind TokenKind) WellFormedBytes(token []byte) bool { return wellFormed(kind, token) }

func wellFormed[Text string | []byte](kind TokenKind, token Text) bool {
	if len(token) != len(kind)+encodedSeed || string(token[:len(kind)]) != string(kind) {
		return false
	}
	for i := len(kind); i < len(token); i++ {
		if !isBase64URL(token[i]) {
			return false
		}
	}
	return true
}

// encodedSeed is how many characters encode the random bytes of a token.
const encodedSeed = (TokenSeedSize*8 + 5) / 6

// isBase64URL reports whether a character is in the alphabet of base64url (RFC 4648 §5).
func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// NewRandomToken returns a fresh token of the kind.
func NewRandomToken(kind TokenKind) string {
	var seed [TokenSeedSize]byte
	rand.Read(seed[:])
	return NewToken(kind, seed)
}

// Hash is the SHA-256 of a secret that must not be stored itself, as 64 hexadecimal digits. Tokens have 256 random
// bits, so a slow hash would not make them safer.
type Hash string

// HashOf returns the hash of a secret.
func HashOf(secret string) Hash {
	sum := sha256.Sum256([]byte(secret))
	return Hash(hex.EncodeToString(sum[:]))
}

// AccessToken is an access token in the store, with the link that it belongs to.
type AccessToken struct {
	Link      Link
	IssuedAt  time.Time
	ExpiresAt time.Time // zero: when its link is revoked
}

// Active reports whether the token is active as far as the store can tell (RFC 7662 §2.2).
func (t AccessToken) Active(now time.Time) bool {
	return !t.Link.Revoked() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}
