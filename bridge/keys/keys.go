// Package keys derives keys from the operator's list of secrets and seals data with them.
//
// The list is newest first: the first secret seals, all of them open. To rotate, the operator puts a new secret in
// front, and removes the old one when nothing that it sealed is in use any more.
//
// Each key is derived by HKDF-SHA256 (RFC 5869) from a secret and a purpose, so that data sealed for one purpose (a
// cookie, a row in the store) cannot be opened for another.
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

// ErrOpen is the error of [Ring.Open]. It deliberately does not say whether the key, the purpose, the associated data
// or the sealed data are wrong.
var ErrOpen = errors.New("keys: not sealed by any of these keys for this purpose")

// Generate returns a new random secret in the form that [Parse] reads: base64url without padding. It can also be used
// as a client secret.
func Generate() string {
	secret := make([]byte, SecretSize)
	rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}

// Parse decodes a secret: base64 of [SecretSize] bytes, in the standard or the URL alphabet, padded or not. Its
// errors do not quote the text.
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

// NewRing returns a ring of secrets, newest first, each as [Parse] returns it. It panics if there is none.
func NewRing(secrets ...[]byte) *Ring {
	if len(secrets) == 0 {
		panic("keys: a ring needs at least one secret")
	}
	return &Ring{secrets: secrets}
}

// Derive returns a key of the given length in bytes for a purpose, one for each secret, newest first.
func (r *Ring) Derive(purpose string, length int) [][]byte {
	derived := make([][]byte, len(r.secrets))
	for i, secret := range r.secrets {
		derived[i] = derive(secret, purpose, length)
	}
	return derived
}

// Seal encrypts and authenticates plaintext by AES-256-GCM under the newest secret. The associated data is not part
// of the result, but [Ring.Open] needs the same: it binds the sealed data to where it belongs.
func (r *Ring) Seal(purpose string, plaintext, associated []byte) []byte {
	aead := newAEAD(r.secrets[0], purpose)
	sealed := make([]byte, keyIDSize+aead.NonceSize(), keyIDSize+aead.NonceSize()+len(plaintext)+aead.Overhead())
	copy(sealed, keyID(r.secrets[0]))
	rand.Read(sealed[keyIDSize:])
	return aead.Seal(sealed, sealed[keyIDSize:], plaintext, associated)
}

// Open returns the plaintext of data that [Ring.Seal] returned under any of the ring's secrets. The error is
// [ErrOpen].
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

// keyID identifies the secret in sealed data without revealing it, so that Open need not try them all.
func keyID(secret []byte) []byte {
	return derive(secret, "key id", keyIDSize)
}

func newAEAD(secret []byte, purpose string) cipher.AEAD {
	block, err := aes.NewCipher(derive(secret, "seal: "+purpose, 32))
	if err != nil {
		panic(err) // only for a wrong key length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for another block size than that of AES
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
