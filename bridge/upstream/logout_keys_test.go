package upstream_test

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"alexa-oidc-bridge/bridge/upstream"
)

// TestSentJWTSignature presents logout tokens and revocations whose signature is not good. None causes more than one
// request for keys.
func TestSentJWTSignature(t *testing.T) {
	secret := signingKey{"key 1", jose.HS256, []byte(clientSecret)}
	rsaKey := signingKey{"key 3", jose.RS256, must(rsa.GenerateKey(rand.Reader, 2048))}
	f := newFake(t, metadata("id_token_signing_alg_values_supported", []string{"ES256", "HS256", "none"}))
	f.published = append(f.published, rsaKey)
	p := f.provider()
	if err := p.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, make := range []func(*fakeProvider) *sentJWT{logoutToken, revocationToken} {
		good := make(f)
		parts := strings.Split(good.signed(f.key), ".")
		another := strings.Split(unsecured(map[string]any{"iss": f.issuer}), ".")
		for name, jwt := range map[string]string{
			"by an unknown key":             good.signed(newKey("key 2")),
			"by a key with the same id":     good.signed(newKey("key 1")),
			"by an algorithm not announced": good.signed(rsaKey),
			"by the client secret":          good.signed(secret),
			"not at all":                    unsecured(good.claims),
			"in JSON": string(encode(map[string]any{"protected": parts[0], "payload": parts[1],
				"signature": parts[2]})),
			"cut off":                         parts[0] + "." + parts[1] + ".",
			"of another payload":              parts[0] + "." + another[1] + "." + parts[2],
			"no JWT":                          "opaque",
			"empty":                           "",
			"a payload that is no object":     f.key.signTyped(good.typ, []byte(`"text"`)),
			"a payload that is null":          f.key.signTyped(good.typ, []byte("null")),
			"encrypted, as the header says":   "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d",
			"header and payload only":         parts[0] + "." + parts[1],
			"the signature of a logout token": parts[0] + "." + parts[1] + "." + strings.Split(idToken(f).signed(f.key), ".")[2],
		} {
			_, errLogout := p.VerifyLogout(t.Context(), jwt)
			_, errRevocation := p.VerifyRevocation(t.Context(), jwt, endpointURL)
			if kind(errLogout) != badLogout || kind(errRevocation) != badRevocation {
				t.Errorf("%s: %v, %v", name, errLogout, errRevocation)
			}
		}
	}
	if n := len(f.requests(keysPath)); n != 2 {
		t.Errorf("%d requests for keys, want that of the discovery and one more", n)
	}
}

// TestKeysForSentJWTs rotates the provider's keys while strangers send JWTs by keys that it never had.
func TestKeysForSentJWTs(t *testing.T) {
	f := newFake(t)
	clock := now()
	p := upstream.New(f.config(), func() time.Time { return clock })
	verify := func(k signingKey) error {
		_, err := p.VerifyLogout(t.Context(), logoutToken(f).signed(k))
		return err
	}
	rotate := func(id string) {
		f.update(func() { f.key = newKey(id); f.published = []signingKey{f.key} })
	}
	wantKind(t, verify(f.key), "")
	rotate("key 2")
	wantKind(t, verify(f.key), "") // by a key that the bridge has not seen
	rotate("key 3")
	for range 20 {
		wantKind(t, verify(newKey("a stranger's")), badLogout)
	}
	if n := len(f.requests(keysPath)); n != 2 {
		t.Errorf("%d requests for keys, want 2", n)
	}
	_, err := f.identifyAt(t, p) // strangers took nothing from what sign-ins may have fetched
	wantKind(t, err, "")
	wantKind(t, verify(f.key), "")
	rotate("key 4")
	wantKind(t, verify(f.key), badLogout)
	clock = clock.Add(10 * time.Second)
	wantKind(t, verify(f.key), "")
}

// TestSentJWTsDoNotFillTheDiscovery sends JWTs while the discovery of a provider that hangs is waited for. Few of them
// wait, so that people who sign in can.
func TestSentJWTsDoNotFillTheDiscovery(t *testing.T) {
	hanging := make(chan struct{})
	var f *fakeProvider
	f = newFake(t, override(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		<-hanging
		f.respond(w, r)
	}))
	p := f.provider()
	results := make(chan error, 20)
	for range cap(results) {
		go func() {
			_, err := p.VerifyLogout(t.Context(), logoutToken(f).signed(f.key))
			results <- err
		}()
	}
	for range cap(results) - 8 {
		wantKind(t, <-results, "out of reach at discovery")
	}
	close(hanging)
	for range 8 {
		wantKind(t, <-results, "")
	}
	if n := len(f.requests(discoveryPath)); n != 1 {
		t.Errorf("%d requests for the discovery document, want 1", n)
	}
}

// TestSentJWTsWhileTheProviderIsDown verifies that an outage is told apart from a JWT that is not good, and that keys
// that are known verify meanwhile.
func TestSentJWTsWhileTheProviderIsDown(t *testing.T) {
	f := newFake(t)
	known, unknown := f.provider(), f.provider()
	if err := known.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.update(func() { f.override[discoveryPath] = cut })
	_, err := known.VerifyLogout(t.Context(), logoutToken(f).signed(f.key))
	wantKind(t, err, "")
	_, err = known.VerifyLogout(t.Context(), logoutToken(f).signed(newKey("key 2")))
	wantKind(t, err, badLogout)
	_, err = known.VerifyLogout(t.Context(), logoutToken(f).signed(f.key))
	wantKind(t, err, "")
	_, err = unknown.VerifyLogout(t.Context(), logoutToken(f).signed(f.key))
	wantKind(t, err, "out of reach at discovery")
	_, err = unknown.VerifyRevocation(t.Context(), "opaque", endpointURL)
	wantKind(t, err, badRevocation)
}
