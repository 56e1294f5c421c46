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

const (
	badIDToken      = "misconfigured at id_token"
	outdatedIDToken = "outdated at id_token"
)

func TestIDTokenClaims(t *testing.T) {
	expired := func(ago time.Duration) func(*fakeProvider) { return with("exp", now().Add(-ago).Unix()) }
	lost := func(f *fakeProvider) { f.login.Nonce = "" }
	inOID := combine(with("oid", "object-1"), subjectIn("oid"))
	testSignIns(t, []signIn{
		{"as it should be", unchanged, ""},

		{"iss of another", with("iss", "http://other.example.com"), badIDToken},
		{"iss with a slash more", func(f *fakeProvider) { f.claims["iss"] = f.issuer + "/" }, badIDToken},
		{"no iss", without("iss"), badIDToken},

		{"aud is a list", with("aud", []string{clientID}), ""},
		{"aud of another", with("aud", "other"), badIDToken},
		{"aud of another, in a list", with("aud", []string{"other"}), badIDToken},
		{"aud of others, azp ours", combine(with("aud", []string{"other", "third"}), with("azp", clientID)), badIDToken},
		{"aud begins as ours", with("aud", clientID+"-2"), badIDToken},
		{"no aud", without("aud"), badIDToken},
		{"no aud, azp ours", combine(without("aud"), with("azp", clientID)), badIDToken},

		{"several aud, azp ours", combine(with("aud", []string{"other", clientID}), with("azp", clientID)), ""},
		{"several aud, azp of another", combine(with("aud", []string{"other", clientID}), with("azp", "other")),
			badIDToken},
		{"several aud, no azp", with("aud", []string{"other", clientID}), badIDToken},
		{"several aud, azp is no text", combine(with("aud", []string{"other", clientID}), with("azp", []string{clientID})),
			badIDToken},
		{"one aud, azp ours", with("azp", clientID), ""},
		{"one aud, azp of another", with("azp", "other"), badIDToken},

		{"expired within the skew", expired(59 * time.Second), ""},
		{"expired", expired(61 * time.Second), outdatedIDToken},
		{"no exp", without("exp"), outdatedIDToken},
		{"exp is no number", with("exp", "tomorrow"), badIDToken},
		{"nbf within the skew", with("nbf", now().Add(time.Minute).Unix()), ""},
		{"nbf tomorrow", with("nbf", now().Add(24*time.Hour).Unix()), outdatedIDToken},

		{"nonce of another login", with("nonce", "another"), outdatedIDToken},
		{"nonce cut short", with("nonce", login().Nonce[1:]), outdatedIDToken},
		{"no nonce", without("nonce"), badIDToken},
		{"no nonce, none in the login", combine(without("nonce"), lost), badIDToken},
		{"nonce empty, none in the login", combine(with("nonce", ""), lost), badIDToken},

		{"no sub", without("sub"), badIDToken},
		{"sub empty", with("sub", ""), badIDToken},
		{"sub is no text", with("sub", 7), badIDToken},
		{"no sub, the subject in another claim", combine(without("sub"), inOID), badIDToken},
		{"sub empty, the subject in another claim", combine(with("sub", ""), inOID), badIDToken},

		{"at_hash", with("at_hash", halfHash(accessToken)), ""},
		{"at_hash of another access token", with("at_hash", halfHash("another")), badIDToken},
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
		{"a JWS in JSON", func(f *fakeProvider) {
			f.idToken = func(claims map[string]any) string {
				parts := strings.Split(f.key.sign(claims), ".")
				return string(encode(map[string]any{"protected": parts[0], "payload": parts[1], "signature": parts[2]}))
			}
		}, false},
		{"a JWT of three empty parts", answer(".."), false},
		{"its payload is no object", payload(`"text"`), false},
		{"its payload is null", payload("null"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFake(t, tt.setup).identify(t)
			wantKind(t, err, badIDToken)
			if got := strings.Contains(hint(err), "openid"); got != tt.absent {
				t.Errorf("%q asks for the scope: %v, want %v", err, got, tt.absent)
			}
		})
	}
}

// TestAuthTime reads when the person authenticated.
func TestAuthTime(t *testing.T) {
	for want, setup := range map[int64]func(*fakeProvider){
		1_800_000_000: with("auth_time", 1_800_000_000), 0: with("auth_time", "1800000000"), -1: without("auth_time"),
	} {
		identity, err := newFake(t, setup).identify(t)
		wantKind(t, err, "")
		if got := identity.AuthTime; want > 0 && got.Unix() != want || want <= 0 && !got.IsZero() {
			t.Errorf("%v, want %d", got, want)
		}
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
		{"not announced", combine(algorithms("RS256"), signedBy(ed25519Key, ed25519Key)), badIDToken},
		{"RS256 where nothing is announced", combine(notAnnounced("id_token_signing_alg_values_supported"),
			signedBy(rsaKey, rsaKey)), ""},
		{"another where nothing is announced", notAnnounced("id_token_signing_alg_values_supported"), badIDToken},
		{"RS256 where only HS256 is announced", combine(algorithms("HS256"), signedBy(rsaKey, rsaKey)),
			"misconfigured at discovery"},
		{"at_hash of EdDSA", combine(algorithms("EdDSA"), signedBy(ed25519Key, ed25519Key),
			with("at_hash", longHalfHash(accessToken))), ""},
		{"at_hash of EdDSA by the hash of ES256", combine(algorithms("EdDSA"), signedBy(ed25519Key, ed25519Key),
			with("at_hash", halfHash(accessToken))), badIDToken},

		{"none", withIDToken(unsecured), badIDToken},
		{"none, announced", combine(algorithms("none", "ES256"), withIDToken(unsecured)), badIDToken},
		{"the client secret", signedBy(shared), badIDToken},
		{"the client secret, announced and published", combine(algorithms("HS256", "ES256"), signedBy(shared, shared)),
			badIDToken},

		{"another key of the same id", signedBy(newKey("key 1")), "misconfigured at keys"},
		{"a key of an unknown id", signedBy(newKey("key 2")), "misconfigured at keys"},
		{"a key without an id", func(f *fakeProvider) { f.key.id = "" }, ""},
		{"another key without an id", signedBy(newKey("")), "misconfigured at keys"},
		{"for another subject", func(f *fakeProvider) { f.idToken = tampered(f) }, "misconfigured at keys"},
		{"no keys published", func(f *fakeProvider) { f.published = nil }, "misconfigured at keys"},
	})
}

func longHalfHash(token string) string {
	sum := sha512.Sum512([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:32])
}

// TestKeyRotation changes keys at the provider. An unknown key causes one discovery, but not again within 10 seconds.
func TestKeyRotation(t *testing.T) {
	f := newFake(t)
	clock := now()
	p := upstream.New(f.config(), func() time.Time { return clock })
	signIn := func() error {
		_, err := f.identifyAt(t, p)
		return err
	}
	wantAsked := func(want int) {
		t.Helper()
		if got := len(f.requests(keysPath)); got != want {
			t.Errorf("the keys were asked for %d times, want %d", got, want)
		}
	}
	for range 2 {
		wantKind(t, signIn(), "")
	}
	wantAsked(1)

	f.update(func() { f.key = newKey("key 2") })
	wantKind(t, signIn(), "misconfigured at keys")
	wantAsked(2)
	f.update(func() { f.published = append(f.published, f.key) })
	wantKind(t, signIn(), "misconfigured at keys")
	wantAsked(2)
	clock = clock.Add(10 * time.Second)
	wantKind(t, signIn(), "")
	wantAsked(3)

	f.update(func() { f.key, f.published = f.published[0], f.published[1:] })
	wantKind(t, rediscover(t, p), "") // drops the old key
	wantKind(t, signIn(), "misconfigured at keys")
}

// TestNewAlgorithm lets the provider change to an algorithm that it did not announce before.
func TestNewAlgorithm(t *testing.T) {
	f := newFake(t, metadata("id_token_signing_alg_values_supported", []string{"RS256"}))
	clock := now()
	p := upstream.New(f.config(), func() time.Time { return clock })
	wantKind(t, errorOf(f.identifyAt(t, p)), badIDToken)
	f.update(func() { f.metadata["id_token_signing_alg_values_supported"] = []string{"RS256", "ES256"} })
	wantKind(t, errorOf(f.identifyAt(t, p)), badIDToken) // not asked again so soon
	clock = clock.Add(10 * time.Second)
	wantKind(t, errorOf(f.identifyAt(t, p)), "")
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
