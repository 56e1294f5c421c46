package upstream

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const hintKeys = "look at the key set of the provider; it must publish the public keys that sign its ID tokens"

// fetchKeys fetches the key set. Keys that cannot be read are skipped (RFC 7517 §5).
func (p *Provider) fetchKeys(ctx context.Context, m *metadata) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.keySetURL, nil)
	if err != nil {
		return misconfigured(StageKeys, hintKeys, "jwks_uri is not a URL")
	}
	got, err := p.do(request)
	if err != nil {
		return p.transportError(StageKeys, err)
	}
	if got.status != http.StatusOK {
		e := statusError(StageKeys, got)
		e.Hint = hintKeys
		return e
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(got.body, &set); err != nil {
		return misconfigured(StageKeys, hintKeys, "the key set is not JSON: %w", p.redact(err))
	}
	var skipped error
	for _, text := range set.Keys {
		key, err := publicKey(text)
		if err != nil {
			if skipped == nil {
				skipped = err
			}
			m.skippedKeys++
			continue
		}
		m.keys.PublicKeys = append(m.keys.PublicKeys, key)
	}
	if len(m.keys.PublicKeys) == 0 {
		if skipped == nil {
			skipped = errors.New("it is empty")
		}
		return misconfigured(StageKeys, hintKeys, "the key set has no key for signatures that can be read: %w",
			p.redact(skipped))
	}
	return nil
}

// publicKey returns the public key of a JSON Web Key, if signatures can be verified by it. A shared secret is none:
// whoever reads it could sign.
func publicKey(text []byte) (crypto.PublicKey, error) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(text, &key); err != nil {
		return nil, err
	}
	public := key.Public()
	if !public.Valid() {
		return nil, errors.New("a key is not asymmetric")
	}
	if key.Use == "enc" {
		return nil, errors.New("a key is for encryption")
	}
	return public.Key, nil
}

// recordingKeySet records what go-oidc's verifier does not tell: whether it came to the signature, the error of that,
// and the payload. The verifier gets only the claims that decide, since it fails on others that it cannot read.
type recordingKeySet struct {
	oidc.KeySet
	called  bool
	err     error
	payload rawClaims
}

func (k *recordingKeySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	k.called = true
	text, err := k.KeySet.VerifySignature(ctx, jwt)
	if err != nil {
		k.err = err
		return nil, err
	}
	if err := json.Unmarshal(text, &k.payload); err != nil {
		return nil, fmt.Errorf("the payload is not an object: %w", err)
	}
	deciding := rawClaims{}
	for _, name := range []string{"iss", "aud", "exp", "nbf", "at_hash"} {
		if value, found := k.payload[name]; found {
			deciding[name] = value
		}
	}
	return json.Marshal(deciding)
}
