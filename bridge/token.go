package bridge

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
func (kind TokenKind) WellFormed(token string) bool { return wellFormed(kind, token) }

// WellFormedBytes is WellFormed for a text that is not a string yet.
func (kind TokenKind) WellFormedBytes(token []byte) bool { return wellFormed(kind, token) }

func wellFormed[Text string | []byte](kind TokenKind, token Text) bool {
	if len(token) != len(kind)+encodedSeed || string(token[:len(kind)]) != string(kind) {
		return false
	}
	for i := len(kind); i < len(token); i++ {
		if c := token[i]; c >= 128 || alphabet[c/64]>>(c%64)&1 == 0 {
			return false
		}
	}
	return true
}

// encodedSeed is how many characters stand for the random bytes of a token.
const encodedSeed = (TokenSeedSize*8 + 5) / 6

// alphabet has a bit for each character of base64url: digits, letters, hyphen and underscore.
var alphabet = [2]uint64{
	1<<'-' | (1<<10-1)<<'0',
	(1<<26-1)<<('A'-64) | 1<<('_'-64) | (1<<26-1)<<('a'-64),
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
