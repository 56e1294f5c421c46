// Package keys turns the operator's list of secrets into keys, one per purpose.
//
// The list is newest first: the first secret seals, all of them open. So an operator rotates by putting a new secret in
// front, and takes the old one away when nothing sealed under it can still be in use.
//
// Every key is derived with HKDF-SHA256 (RFC 5869) from a secret and a purpose, so that what was made for one purpose
// (a cookie, a row in the store) can never be taken for another.
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// SecretSize is the length of a secret in bytes.
const SecretSize = 32

const keyIDSize = 4

// ErrOpen is returned by [Ring.Open] for anything that no secret of the ring sealed for that purpose and associated data.
// It deliberately does not say which of these was wrong.
var ErrOpen = errors.New("keys: not sealed by any of these keys for this purpose")

// Generate returns a fresh secret in the form that [Parse] reads: base64url without padding, which also makes it good as
// a client secret.
func Generate() string {
	secret := make([]byte, SecretSize)
	rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}

// Parse reads one secret: base64 of 32 bytes, in the standard or the URL alphabet, padded or not. Its errors never quote
// the text.
func Parse(text string) ([]byte, error) {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	secret, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	if len(secret) != SecretSize {
		return nil, fmt.Errorf("%d bytes long, not %d", len(secret), SecretSize)
	}
	return secret, nil
}

// Ring is a list of secrets, newest first. It is safe for concurrent use.
type Ring struct {
	secrets [][]byte
}

// NewRing returns a ring of the secrets given, newest first, each as [Parse] returns it. It panics without any: a program
// without a key has nothing safe left to do.
func NewRing(secrets ...[]byte) *Ring {
	if len(secrets) == 0 {
		panic("keys: a ring needs at least one secret")
	}
	return &Ring{secrets: secrets}
}

// Derive returns one key of the given length per secret, newest first, for a purpose.
func (r *Ring) Derive(purpose string, length int) [][]byte {
	derived := make([][]byte, len(r.secrets))
	for i, secret := range r.secrets {
		derived[i] = derive(secret, purpose, length)
	}
	return derived
}

// Seal encrypts plaintext with AES-256-GCM under the newest secret. The associated data is not kept but must be the same
// at [Ring.Open]: it ties the sealed text to its place.
func (r *Ring) Seal(purpose string, plaintext, associated []byte) []byte {
	aead := newAEAD(r.secrets[0], purpose)
	sealed := make([]byte, keyIDSize+aead.NonceSize(), keyIDSize+aead.NonceSize()+len(plaintext)+aead.Overhead())
	copy(sealed, keyID(r.secrets[0]))
	rand.Read(sealed[keyIDSize:])
	return aead.Seal(sealed, sealed[keyIDSize:], plaintext, associated)
}

// Open reverses [Ring.Seal] under whichever secret sealed it, or returns [ErrOpen].
func (r *Ring) Open(purpose string, sealed, associated []byte) ([]byte, error) {
	for _, secret := range r.secrets {
		aead := newAEAD(secret, purpose)
		body := keyIDSize + aead.NonceSize()
		if len(sealed) < body || string(sealed[:keyIDSize]) != string(keyID(secret)) {
			continue
		}
		plaintext, err := aead.Open(nil, sealed[keyIDSize:body], sealed[body:], associated)
		if err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrOpen
}

// keyID names a secret without telling anything about it, so that a sealed text finds its key without trying all.
func keyID(secret []byte) []byte {
	return derive(secret, "key id", keyIDSize)
}

func newAEAD(secret []byte, purpose string) cipher.AEAD {
	block, err := aes.NewCipher(derive(secret, "seal: "+purpose, 32))
	if err != nil {
		panic(err) // only for a key of a wrong length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for a block size that AES does not have
	}
	return aead
}

func derive(secret []byte, purpose string, length int) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "alexa-oidc-bridge: "+purpose, length)
	if err != nil {
		panic(err) // only for more than 255 hash lengths, or in FIPS mode for a secret under 14 bytes
	}
	return key
}
