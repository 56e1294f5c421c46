package upstream_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// fuzzed lets a provider answer a path by bytes, and signs a person in. The error must be ours and fit for a log.
func fuzzed(t *testing.T, path string, body []byte, setups ...func(*fakeProvider)) (*upstream.Identity, error) {
	f := newFake(t, append(setups, override(path, reply(http.StatusOK, body)))...)
	identity, err := f.identifyWish(t, upstream.Wish{Needed: []string{"groups"}, Wanted: []string{"email", "name"}})
	if err == nil {
		if identity.Subject != subject || identity.Issuer != f.issuer || !json.Valid(identity.Claims) {
			t.Fatalf("%s: %+v", body, identity)
		}
		return identity, nil
	}
	if kind(err) == "" || strings.HasPrefix(kind(err), "unknown") || strings.ContainsAny(err.Error(), "\n\x1b\x00") {
		t.Fatalf("%s: %q", body, err)
	}
	return nil, err
}

// No bytes in place of the ID token make a sign-in.
func FuzzIDToken(f *testing.F) {
	for _, seed := range []string{"", "..", "a.b.c", "e30.e30.", unsecured(map[string]any{"sub": subject}),
		"eyJhbGciOiJFUzI1NiJ9.e30.AA",
		`{"payload":"e30","protected":"e30","signature":"AA"}`, "eyJhbGciOiJkaXIifQ.a.b.c.d", strings.Repeat("A", 5000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, idToken string) {
		answer := encode(map[string]any{"access_token": accessToken, "id_token": idToken})
		if _, err := fuzzed(t, tokenPath, answer); err == nil {
			t.Errorf("%q is accepted", idToken)
		}
	})
}

// No bytes in place of the token response make a sign-in: none of them can have the ID token.
func FuzzTokenResponse(f *testing.F) {
	for _, seed := range []string{"", "null", "[]", "{}", `{"error":"invalid_grant"}`, `{"error":7}`, `{"id_token":7}`,
		"<html>", `{"id_token":"a.b.c"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := fuzzed(t, tokenPath, body); err == nil {
			t.Errorf("%q is accepted", body)
		}
	})
}

// Userinfo is used only if it is about the person of the ID token.
func FuzzUserinfo(f *testing.F) {
	for _, seed := range []string{"", "null", "[]",
		`{"sub":"a2b4c6","groups":["a"],"email":"ada@contoso.com","email_verified":true}`,
		`{"sub":"a2b4c6","groups":{"a":{"b":"c"}},"email":["x"],"name":{}}`, `{"sub":"mallory","groups":[]}`,
		`{"sub":"a2b4c6","SUB":"x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var object map[string]json.RawMessage
		isAda := json.Unmarshal(body, &object) == nil && bytes.Equal(object["sub"], encodeText(subject))
		identity, err := fuzzed(t, userinfoPath, body)
		if err == nil && identity.Userinfo != nil && !isAda && !bytes.Contains(body, []byte(`\u`)) {
			t.Errorf("%q is accepted", body)
		}
	})
}

// No bytes in place of the answer to a refresh token say anything about somebody but whose token it is. The account is
// gone only if the answer is an error, and lives only if the answer has a token.
func FuzzRenewal(f *testing.F) {
	for _, seed := range []string{"", "null", "[]", "{}", "<html>", `{"error":"invalid_grant"}`,
		`{"error":"INVALID_GRANT"}`, `{"error":7}`,
		`{"error":"invalid_request","error_description":"Refresh token expired."}`, `{"error":"invalid_client"}`,
		`{"access_token":"a"}`, `{"refresh_token":"b","id_token":7}`, `{"id_token":"a.b.c"}`,
		`{"access_token":"a","error":""}`} {
		f.Add(http.StatusOK, []byte(seed))
		f.Add(http.StatusBadRequest, []byte(seed))
		f.Add(http.StatusInternalServerError, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		fake := newFake(t, override(tokenPath, reply(status, body)))
		renewal, err := fake.renew(t)
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(body, &object) == nil
		if err != nil {
			if kind(err) == "" || strings.HasPrefix(kind(err), "unknown") || strings.ContainsAny(err.Error(), "\n\x1b\x00") {
				t.Fatalf("%d %s: %q", status, body, err)
			}
			if kind(err) == "gone at token" &&
				(!isObject || object["error"] == nil || status >= 500 || status == http.StatusTooManyRequests) {
				t.Errorf("%d %q: %v", status, body, err)
			}
			return
		}
		if status != http.StatusOK || object["access_token"] == nil && object["refresh_token"] == nil &&
			object["id_token"] == nil {
			t.Errorf("%d %q is accepted", status, body)
		}
		identity, complete, err := renewal.Identity(t.Context(), upstream.Wish{Needed: []string{"groups"}})
		if err == nil && (complete || identity.Sub != subject || identity.Subject != subject ||
			renewal.RefreshToken == oldToken) {
			t.Errorf("%d %q: %+v, complete %v", status, body, identity, complete)
		}
	})
}

// encodeText returns a text as JSON.
func encodeText(text string) []byte { return must(json.Marshal(text)) }

// A discovery document is used only if it is of the configured issuer.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"issuer":"x"}`, `{"issuer":7,"jwks_uri":[]}`,
		`{"authorization_endpoint":"javascript:alert(1)","token_endpoint":"%"}`,
		`{"id_token_signing_alg_values_supported":{"a":1}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := fuzzed(t, discoveryPath, body); err == nil { // its issuer has a port that no seed knows
			t.Errorf("%q is accepted", body)
		}
	})
}

// Keys that are not the provider's verify nothing.
func FuzzKeys(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"keys":null}`, `{"keys":[]}`, `{"keys":[{}]}`,
		`{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"},{"kty":"RSA","n":"","e":"AQAB"},7]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := fuzzed(t, keysPath, body); err == nil {
			t.Errorf("%q is accepted", body)
		}
	})
}
