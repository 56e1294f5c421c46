package keys_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
)

func secret(fill byte) []byte { return bytes.Repeat([]byte{fill}, keys.SecretSize) }

func TestParse(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"standard, padded", base64.StdEncoding.EncodeToString(raw), true},
		{"standard, not padded", base64.RawStdEncoding.EncodeToString(raw), true},
		{"url, padded", base64.URLEncoding.EncodeToString(raw), true},
		{"url, not padded", base64.RawURLEncoding.EncodeToString(raw), true},
		{"as generated", keys.Generate(), true},
		{"empty", "", false},
		{"31 bytes", base64.RawURLEncoding.EncodeToString(raw[:31]), false},
		{"33 bytes", base64.RawURLEncoding.EncodeToString(append(raw, 1)), false},
		{"not base64", "this is not base64 at all, is it? no!", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := keys.Parse(tt.text)
			if (err == nil) != tt.ok {
				t.Fatalf("Parse: err = %v, want ok = %v", err, tt.ok)
			}
			if tt.ok && len(got) != keys.SecretSize {
				t.Errorf("got %d bytes", len(got))
			}
			if err != nil && tt.text != "" && bytes.Contains([]byte(err.Error()), []byte(tt.text)) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func TestSealAndOpen(t *testing.T) {
	old := keys.NewRing(secret(1))
	rotated := keys.NewRing(secret(2), secret(1))
	sealed := old.Seal("row", []byte("hello"), []byte("row 1"))

	if got, err := rotated.Open("row", sealed, []byte("row 1")); err != nil || string(got) != "hello" {
		t.Fatalf("after a rotation: %q, %v", got, err)
	}
	refused := []struct {
		name       string
		ring       *keys.Ring
		purpose    string
		sealed     []byte
		associated string
	}{
		{"another purpose", old, "cookie", sealed, "row 1"},
		{"another place", old, "row", sealed, "row 2"},
		{"key taken away", keys.NewRing(secret(2)), "row", sealed, "row 1"},
		{"last byte changed", old, "row", flip(sealed, len(sealed)-1), "row 1"},
		{"nonce changed", old, "row", flip(sealed, 5), "row 1"},
		{"cut short", old, "row", sealed[:7], "row 1"},
		{"empty", old, "row", nil, "row 1"},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.ring.Open(tt.purpose, tt.sealed, []byte(tt.associated)); !errors.Is(err, keys.ErrOpen) {
				t.Errorf("err = %v, want ErrOpen", err)
			}
		})
	}
	if bytes.Equal(sealed, old.Seal("row", []byte("hello"), []byte("row 1"))) {
		t.Error("two seals of one text are equal: the nonce repeats")
	}
}

func TestDerive(t *testing.T) {
	ring := keys.NewRing(secret(2), secret(1))
	login, consent := ring.Derive("login", 64), ring.Derive("consent", 64)
	if len(login) != 2 || len(login[0]) != 64 {
		t.Fatalf("got %d keys of %d bytes", len(login), len(login[0]))
	}
	if bytes.Equal(login[0], consent[0]) || bytes.Equal(login[0], login[1]) {
		t.Error("two purposes or two secrets gave one key")
	}
	if !bytes.Equal(login[1], keys.NewRing(secret(1)).Derive("login", 64)[0]) {
		t.Error("the same secret and purpose gave another key")
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}
