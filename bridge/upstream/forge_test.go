package upstream_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/upstream"

	"github.com/go-jose/go-jose/v4"
)

// Paths of a forge.
const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/token"
	keysPath      = "/keys"
	userinfoPath  = "/userinfo"
	graphPath     = "/graph" // where a pointer to groups points
)

// What the relying party and a forge know of each other, and of one sign-in. The client secret is long enough for HS256,
// and one that a form has to escape.
const (
	clientID     = "alexa-bridge"
	clientSecret = "client+secret/0123456789=abcdefghijklm"
	redirectURI  = "https://bridge.example.com/callback/corp"
	code         = "code-from-the-provider"
	accessToken  = "access-token-of-the-provider"
	subject      = "a2b4c6"
)

func login() upstream.Login {
	return upstream.Login{State: "state-of-this-login", Nonce: "nonce-of-this-login", Verifier: strings.Repeat("verifier", 6)}
}

// now is the relying party's time. It is years away from the machine's, so that a check by the wrong clock is found out.
func now() time.Time { return time.Date(2037, 1, 2, 3, 4, 5, 0, time.UTC) }

// forge is an OpenID Provider over HTTP whose every answer a test can bend.
type forge struct {
	issuer string
	server *httptest.Server

	mu        sync.Mutex // held while an answer is made; a test that bends a running forge does it in change
	metadata  map[string]any
	published []signingKey
	key       signingKey                         // that ID tokens are signed with
	claims    map[string]any                     // of the ID token
	idToken   func(claims map[string]any) string // nil: signed by key
	answer    map[string]any                     // of the token endpoint, beside the ID token
	userinfo  map[string]any                     // claims
	instead   map[string]http.HandlerFunc        // by path, in place of the answer
	seen      map[string][]request               // by path
}

// request is what a forge remembers of a request.
type request struct {
	authorization string
	form          url.Values
	body          string
}

// newForge starts a provider that vouches for one person. Each bend is made before it starts.
func newForge(t *testing.T, bends ...func(*forge)) *forge {
	t.Helper()
	f := unstarted(t, "http", bends)
	f.server.Start()
	return f
}

// newTLSForge starts the same on HTTPS, with a certificate that no system trusts.
func newTLSForge(t *testing.T, bends ...func(*forge)) *forge {
	t.Helper()
	f := unstarted(t, "https", bends)
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{newCertificate(t)}}
	f.server.StartTLS()
	return f
}

func unstarted(t *testing.T, scheme string, bends []func(*forge)) *forge {
	f := &forge{key: newKey(t, "key 1"), instead: map[string]http.HandlerFunc{}, seen: map[string][]request{}}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(f.server.Close)
	f.issuer = scheme + "://" + f.server.Listener.Addr().String()
	f.metadata = map[string]any{
		"issuer":                                f.issuer,
		"authorization_endpoint":                f.issuer + "/authorize",
		"token_endpoint":                        f.issuer + tokenPath,
		"jwks_uri":                              f.issuer + keysPath,
		"userinfo_endpoint":                     f.issuer + userinfoPath,
		"id_token_signing_alg_values_supported": []string{"ES256"},
	}
	f.published = []signingKey{f.key}
	f.claims = map[string]any{
		"iss": f.issuer, "sub": subject, "aud": clientID, "nonce": login().Nonce,
		"iat": now().Unix(), "exp": now().Add(time.Hour).Unix(),
	}
	f.answer = map[string]any{"access_token": accessToken, "token_type": "Bearer", "expires_in": 3600}
	f.userinfo = map[string]any{"sub": subject}
	for _, bend := range bends {
		bend(f)
	}
	return f
}

// change bends a forge that runs.
func (f *forge) change(bend func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bend()
}

// requests returns what came for a path.
func (f *forge) requests(path string) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[path]
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	f.mu.Lock()
	f.seen[r.URL.Path] = append(f.seen[r.URL.Path], request{r.Header.Get("Authorization"), form, string(body)})
	instead := f.instead[r.URL.Path]
	f.mu.Unlock()
	if instead == nil {
		instead = f.straight
	}
	instead(w, r)
}

// straight answers as if nothing stood in the answer's place.
func (f *forge) straight(w http.ResponseWriter, r *http.Request) {
	object := f.object(r.URL.Path)
	if object == nil {
		http.NotFound(w, r)
		return
	}
	reply(http.StatusOK, encode(object))(w, r)
}

// object makes the answer of an endpoint.
func (f *forge) object(path string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch path {
	case discoveryPath:
		return f.metadata
	case keysPath:
		keys := []jose.JSONWebKey{}
		for _, key := range f.published {
			keys = append(keys, key.public())
		}
		return map[string]any{"keys": keys}
	case userinfoPath:
		return f.userinfo
	case tokenPath:
		answer := map[string]any{"id_token": f.signed()}
		for name, value := range f.answer {
			answer[name] = value
		}
		return answer
	}
	return nil
}

func (f *forge) signed() string {
	if f.idToken != nil {
		return f.idToken(f.claims)
	}
	return f.key.sign(f.claims)
}

// config is how a relying party of the forge is configured.
func (f *forge) config() upstream.Config {
	return upstream.Config{
		ID: "corp", Issuer: f.issuer, ClientID: clientID, ClientSecret: clientSecret,
		Scopes: []string{"openid", "email"}, RedirectURI: redirectURI,
	}
}

// provider is a relying party's view of the forge. Each change is made to its configuration.
func (f *forge) provider(changes ...func(*upstream.Config)) *upstream.Provider {
	config := f.config()
	for _, change := range changes {
		change(&config)
	}
	return upstream.New(config, now)
}

// identify signs somebody in by a code.
func (f *forge) identify(t *testing.T, needed []string, changes ...func(*upstream.Config)) (*upstream.Identity, error) {
	return f.provider(changes...).Identify(t.Context(), login(), upstream.Response{Code: code}, needed)
}

// signingKey signs ID tokens.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   any
}

// newKey makes a key for ES256.
func newKey(t *testing.T, id string) signingKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{id, jose.ES256, private}
}

// public is the key as it is published. A shared secret, which nobody should publish, is published as it is.
func (k signingKey) public() jose.JSONWebKey {
	if private, ok := k.private.(crypto.Signer); ok {
		return jose.JSONWebKey{Key: private.Public(), KeyID: k.id}
	}
	return jose.JSONWebKey{Key: k.private, KeyID: k.id}
}

func (k signingKey) sign(claims map[string]any) string { return k.signBytes(encode(claims)) }

func (k signingKey) signBytes(payload []byte) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, nil)
	if err != nil {
		panic(err)
	}
	signature, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, err := signature.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

func encode(object map[string]any) []byte {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err) // only for what JSON has no words for
	}
	return text
}
