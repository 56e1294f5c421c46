package upstream_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/upstream"

	"github.com/go-jose/go-jose/v4"
)

const refusedIDToken = "refused at id_token"

func TestIDTokenClaims(t *testing.T) {
	expired := func(ago time.Duration) func(*fakeProvider) { return with("exp", now().Add(-ago).Unix()) }
	lost := func(f *fakeProvider) { f.login.Nonce = "" }
	inOID := combine(with("oid", "object-1"), subjectIn("oid"))
	testSignIns(t, []signIn{
		{"as it should be", unchanged, ""},

		{"iss of another", with("iss", "http://other.example.com"), refusedIDToken},
		{"iss with a slash more", func(f *fakeProvider) { f.claims["iss"] = f.issuer + "/" }, refusedIDToken},
		{"no iss", without("iss"), refusedIDToken},

		{"aud is a list", with("aud", []string{clientID}), ""},
		{"aud of another", with("aud", "other"), refusedIDToken},
		{"aud of another, in a list", with("aud", []string{"other"}), refusedIDToken},
		{"aud of others, azp ours", combine(with("aud", []string{"other", "third"}), with("azp", clientID)), refusedIDToken},
		{"aud begins as ours", with("aud", clientID+"-2"), refusedIDToken},
		{"no aud", without("aud"), refusedIDToken},
		{"no aud, azp ours", combine(without("aud"), with("azp", clientID)), refusedIDToken},

		{"several aud, azp ours", combine(with("aud", []string{"other", clientID}), with("azp", clientID)), ""},
		{"several aud, azp of another", combine(with("aud", []string{"other", clientID}), with("azp", "other")),
			refusedIDToken},
		{"several aud, no azp", with("aud", []string{"other", clientID}), refusedIDToken},
		{"several aud, azp is no text", combine(with("aud", []string{"other", clientID}), with("azp", []string{clientID})),
			refusedIDToken},
		{"one aud, azp ours", with("azp", clientID), ""},
		{"one aud, azp of another", with("azp", "other"), refusedIDToken},

		{"expired within the skew", expired(59 * time.Second), ""},
		{"expired", expired(61 * time.Second), refusedIDToken},
		{"no exp", without("exp"), refusedIDToken},
		{"exp is no number", with("exp", "tomorrow"), refusedIDToken},
		{"nbf within the skew", with("nbf", now().Add(time.Minute).Unix()), ""},
		{"nbf tomorrow", with("nbf", now().Add(24*time.Hour).Unix()), refusedIDToken},

		{"nonce of another login", with("nonce", "another"), refusedIDToken},
		{"nonce cut short", with("nonce", login().Nonce[1:]), refusedIDToken},
		{"no nonce", without("nonce"), refusedIDToken},
		{"no nonce, none in the login", combine(without("nonce"), lost), refusedIDToken},
		{"nonce empty, none in the login", combine(with("nonce", ""), lost), refusedIDToken},

		{"no sub", without("sub"), refusedIDToken},
		{"sub empty", with("sub", ""), refusedIDToken},
		{"sub is no text", with("sub", 7), refusedIDToken},
		{"no sub, the subject in another claim", combine(without("sub"), inOID), refusedIDToken},
		{"sub empty, the subject in another claim", combine(with("sub", ""), inOID), refusedIDToken},

		{"at_hash", with("at_hash", halfHash(accessToken)), ""},
		{"at_hash of another access token", with("at_hash", halfHash("another")), refusedIDToken},
	})
}

// halfHash returns the at_hash for ES256 and RS256 (OIDC Core §3.1.3.6).
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func TestIDTokenAnswer(t *testing.T) {
	answer := func(idToken any) func(*fakeProvider) {
		return func(f *fakeProvider) { f.tokenResponse["id_token"] = idToken }
	}
	payload := func(text string) func(*fakeProvider) {
		return func(f *fakeProvider) {
			f.idToken = func(map[string]any) string { return f.key.signBytes([]byte(text)) }
		}
	}
	tests := []struct {
		name   string
		setup  func(*fakeProvider)
		absent bool // the error names the scope to check
	}{
		{"none", answer(nil), true},
		{"empty", answer(""), true},
		{"no text", answer(7), true},
		{"no JWT", answer("opaque"), false},
		{"a JWT of three empty parts", answer(".."), false},
		{"its payload is no object", payload(`"text"`), false},
		{"its payload is null", payload("null"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFake(t, tt.setup).identify(t)
			wantKind(t, err, refusedIDToken)
			if got := strings.Contains(err.Error(), "openid"); got != tt.absent {
				t.Errorf("%q asks for the scope: %v, want %v", err, got, tt.absent)
			}
		})
	}
}

// withIDToken replaces the ID token.
func withIDToken(make func(claims map[string]any) string) func(*fakeProvider) {
	return func(f *fakeProvider) { f.idToken = make }
}

// unsecured returns a JWT without a signature, alg none (RFC 7519 §6).
func unsecured(claims map[string]any) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part(encode(claims)) + "."
}

// tampered returns an ID token whose sub was changed after it was signed.
func tampered(f *fakeProvider) func(map[string]any) string {
	return func(claims map[string]any) string {
		parts := strings.Split(f.key.sign(claims), ".")
		claims["sub"] = "somebody-else"
		parts[1] = base64.RawURLEncoding.EncodeToString(encode(claims))
		return strings.Join(parts, ".")
	}
}

func TestIDTokenSignature(t *testing.T) {
	ed25519Key := signingKey{"ed25519", jose.EdDSA, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	rsaKey := signingKey{"rsa", jose.RS256, must(rsa.GenerateKey(rand.Reader, 2048))}
	shared := signingKey{"", jose.HS256, []byte(clientSecret)} // published without an alg, which go-oidc would skip
	algorithms := func(names ...string) func(*fakeProvider) {
		return metadata("id_token_signing_alg_values_supported", names)
	}
	signedBy := func(key signingKey, published ...signingKey) func(*fakeProvider) {
		return func(f *fakeProvider) { f.key, f.published = key, append(f.published, published...) }
	}
	testSignIns(t, []signIn{
		{"announced", combine(algorithms("RS256", "EdDSA"), signedBy(ed25519Key, ed25519Key)), ""},
		{"not announced", combine(algorithms("RS256"), signedBy(ed25519Key, ed25519Key)), refusedIDToken},
		{"RS256 where nothing is announced", combine(notAnnounced("id_token_signing_alg_values_supported"),
			signedBy(rsaKey, rsaKey)), ""},
		{"another where nothing is announced", notAnnounced("id_token_signing_alg_values_supported"), refusedIDToken},
		{"RS256 where only HS256 is announced", combine(algorithms("HS256"), signedBy(rsaKey, rsaKey)), ""},
		{"at_hash of EdDSA", combine(algorithms("EdDSA"), signedBy(ed25519Key, ed25519Key),
			with("at_hash", longHalfHash(accessToken))), ""},
		{"at_hash of EdDSA by the hash of ES256", combine(algorithms("EdDSA"), signedBy(ed25519Key, ed25519Key),
			with("at_hash", halfHash(accessToken))), refusedIDToken},

		{"none", withIDToken(unsecured), refusedIDToken},
		{"none, announced", combine(algorithms("none", "ES256"), withIDToken(unsecured)), refusedIDToken},
		{"the client secret", signedBy(shared), refusedIDToken},
		{"the client secret, announced and published", combine(algorithms("HS256", "ES256"), signedBy(shared, shared)),
			refusedIDToken},

		{"another key of the same id", signedBy(newKey("key 1")), refusedIDToken},
		{"a key of an unknown id", signedBy(newKey("key 2")), refusedIDToken},
		{"a key without an id", func(f *fakeProvider) { f.key.id = "" }, ""},
		{"another key without an id", signedBy(newKey("")), refusedIDToken},
		{"for another subject", func(f *fakeProvider) { f.idToken = tampered(f) }, refusedIDToken},
		{"no keys published", func(f *fakeProvider) { f.published = nil }, refusedIDToken},
	})
}

func longHalfHash(token string) string {
	sum := sha512.Sum512([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:32])
}

func TestKeyRotation(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	signIn := func() error {
		_, err := f.identifyAt(t, p)
		return err
	}
	for range 2 {
		wantKind(t, signIn(), "")
	}
	if got := len(f.requests(keysPath)); got != 1 {
		t.Errorf("the keys were asked for %d times, want 1", got)
	}

	f.update(func() { f.key = newKey("key 2") })
	wantKind(t, signIn(), refusedIDToken)
	f.update(func() { f.published = append(f.published, f.key) })
	err := signIn()
	for tries := 1; err != nil && tries < 50; tries++ { // go-oidc may still share the result of the previous fetch
		err = signIn()
	}
	wantKind(t, err, "")

	f.update(func() { f.key, f.published = f.published[0], f.published[1:] })
	wantKind(t, p.Rediscover(t.Context()), "") // drops the cached keys
	wantKind(t, signIn(), refusedIDToken)
}

// TestGoogle reaches a fake provider under Google's name. Google's ID tokens may have an iss without the scheme; the
// identity must have the configured issuer all the same.
func TestGoogle(t *testing.T) {
	const issuer = "https://accounts.google.com"
	f := newTLSFake(t, metadata("issuer", issuer), with("iss", "accounts.google.com"),
		configured(func(config *upstream.Config) { config.Issuer = issuer })).trusting(t)

	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	google := usual.(*http.Transport).Clone()
	google.Proxy = nil
	google.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.server.Listener.Addr().String())
	}
	http.DefaultTransport = google

	identity, err := f.identify(t)
	wantKind(t, err, "")
	if identity.Issuer != issuer || identity.Subject != subject {
		t.Errorf("issuer %q, subject %q", identity.Issuer, identity.Subject)
	}
}
