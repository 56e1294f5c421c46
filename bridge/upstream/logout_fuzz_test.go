package upstream_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// wantFitForLog ends the test unless the error is ours and fit for a log.
func wantFitForLog(t *testing.T, input string, err error) {
	t.Helper()
	if err != nil && (strings.HasPrefix(kind(err), "unknown") || strings.ContainsAny(err.Error(), "\n\x1b\x00")) {
		t.Fatalf("%q: %q", input, err)
	}
}

// No bytes in place of a JWT end anybody's session.
func FuzzSentJWT(f *testing.F) {
	fake := newFake(f)
	p := fake.provider()
	for _, seed := range []string{"", "..", "a.b.c", "e30.e30.", "eyJhbGciOiJFUzI1NiIsInR5cCI6ImxvZ291dCtqd3QifQ.e30.AA",
		unsecured(map[string]any{"sub": subject}), `{"payload":"e30","protected":"e30","signature":"AA"}`,
		"eyJhbGciOiJkaXIifQ.a.b.c.d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, jwt string) {
		_, errLogout := p.VerifyLogout(t.Context(), jwt)
		_, errRevocation := p.VerifyRevocation(t.Context(), jwt, endpointURL)
		if errLogout == nil || errRevocation == nil {
			t.Errorf("%q is accepted", jwt)
		}
		wantFitForLog(t, jwt, errLogout)
		wantFitForLog(t, jwt, errRevocation)
	})
}

// What the provider signed is a logout token or a revocation only if it has what makes it one.
func FuzzSentClaims(f *testing.F) {
	fake := newFake(f)
	p := fake.provider()
	for _, seed := range []*sentJWT{logoutToken(fake), revocationToken(fake), idToken(fake)} {
		typ, _ := seed.typ.(string)
		f.Add(typ, bytes.ReplaceAll(encode(seed.claims), []byte(fake.issuer), []byte("ISSUER"))) // each process has another
	}
	f.Add("JWT", []byte(`{"iat":1e308,"exp":-0,"events":{"http://schemas.openid.net/event/backchannel-logout":null}}`))
	f.Fuzz(func(t *testing.T, typ string, payload []byte) {
		payload = bytes.ReplaceAll(payload, []byte("ISSUER"), []byte(fake.issuer))
		var claims map[string]any
		_ = json.Unmarshal(payload, &claims)
		jwt := fake.key.signTyped(typ, payload)
		_, err := p.VerifyLogout(t.Context(), jwt)
		events, _ := claims["events"].(map[string]any)
		if _, isLogout := events[logoutEvent].(map[string]any); err == nil && (!isLogout || claims["iss"] != fake.issuer ||
			claims["jti"] == "" || claims["sub"] == nil && claims["sid"] == nil || has(claims, "nonce")) {
			t.Errorf("a logout token with typ %q: %s", typ, payload)
		}
		wantFitForLog(t, jwt, err)
		_, err = p.VerifyRevocation(t.Context(), jwt, endpointURL)
		audiences := []any{endpointURL, claims["aud"]}
		if list, isList := claims["aud"].([]any); isList {
			audiences = append([]any{endpointURL}, slices.Clone(list)...)
		}
		if err == nil && (typ != "global-token-revocation+jwt" || claims["iss"] != fake.issuer ||
			audiences[1] != endpointURL) {
			t.Errorf("a revocation with typ %q: %s", typ, payload)
		}
		wantFitForLog(t, jwt, err)
	})
}

func has(claims map[string]any, name string) bool {
	_, found := claims[name]
	return found
}
