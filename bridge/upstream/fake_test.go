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

// Paths of a fake provider.
const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/token"
	keysPath      = "/keys"
	userinfoPath  = "/userinfo"
	graphPath     = "/graph" // where a reference to groups leads
)

// What the relying party and a fake provider share. The client secret is long enough for
// HS256, and one that a form has to escape.
const (
	clientID     = "alexa-bridge"
	clientSecret = "client+secret/0123456789=abcdefghijklm"
	redirectURI  = "https://bridge.example.com/callback/corp"
	code         = "code-from-the-provider"
	accessToken  = "access-token-of-the-provider"
	subject      = "a2b4c6"
)

func login() upstream.Login {
	return upstream.Login{State: "state-of-this-login", Nonce: "nonce-of-this-login",
		Verifier: strings.Repeat("verifier", 6)}
}

// now is the relying party's time. It is years away from the machine's, so that a check by the wrong clock
// fails.
func now() time.Time { return time.Date(2037, 1, 2, 3, 4, 5, 0, time.UTC) }

// fakeProvider is an OpenID Provider over HTTP. A test can change every response.
type fakeProvider struct {
	issuer string
	server *httptest.Server

	mu            sync.Mutex // held while a response is made
	metadata      map[string]any
	published     []signingKey
	key           signingKey                         // that ID tokens are signed with
	claims        map[string]any                     // of the ID token
	idToken       func(claims map[string]any) string // nil: signed by key
	tokenResponse map[string]any                     // beside the ID token
	userinfo      map[string]any                     // claims
	override      map[string]http.HandlerFunc        // by path, instead of the usual response
	changes       []func(*upstream.Config)           // of the relying party
	login         upstream.Login                     // that identify continues
	response      upstream.Response                  // that identify sends
	seen          map[string][]request               // by path
}

// request is what a fake provider records of a request.
type request struct {
	authorization string
	form          url.Values
	body          string
}

// newFake starts a provider that authenticates one person. The setups are applied before it starts.
func newFake(t testing.TB, setups ...func(*fakeProvider)) *fakeProvider {
	t.Helper()
	f := unstarted(t, "http", setups)
	f.server.Start()
	return f
}

// newTLSFake starts the same on HTTPS, with a certificate that no system trusts.
func newTLSFake(t *testing.T, setups ...func(*fakeProvider)) *fakeProvider {
	t.Helper()
	f := unstarted(t, "https", setups)
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{newCertificate()}}
	f.server.StartTLS()
	return f
}

func unstarted(t testing.TB, scheme string, setups []func(*fakeProvider)) *fakeProvider {
	f := &fakeProvider{key: newKey("key 1"), override: map[string]http.HandlerFunc{}, seen: map[string][]request{}}
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
	f.login, f.response = login(), upstream.Response{Code: code}
	f.claims = map[string]any{
		"iss": f.issuer, "sub": subject, "aud": clientID, "nonce": login().Nonce,
		"iat": now().Unix(), "exp": now().Add(time.Hour).Unix(),
	}
	f.tokenResponse = map[string]any{"access_token": accessToken, "token_type": "Bearer", "expires_in": 3600}
	f.userinfo = map[string]any{"sub": subject}
	for _, setup := range setups {
		setup(f)
	}
	return f
}

// update changes a fake provider that runs.
func (f *fakeProvider) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// requests returns the requests for a path.
func (f *fakeProvider) requests(path string) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[path]
}

func (f *fakeProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	f.mu.Lock()
	f.seen[r.URL.Path] = append(f.seen[r.URL.Path], request{r.Header.Get("Authorization"), form, string(body)})
	override := f.override[r.URL.Path]
	f.mu.Unlock()
	if override == nil {
		override = f.respond
	}
	override(w, r)
}

// respond sends the usual response.
func (f *fakeProvider) respond(w http.ResponseWriter, r *http.Request) {
	object := f.object(r.URL.Path)
	if object == nil {
		http.NotFound(w, r)
		return
	}
	reply(http.StatusOK, encode(object))(w, r)
}

// object returns the usual response of an endpoint.
func (f *fakeProvider) object(path string) map[string]any {
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
		for name, value := range f.tokenResponse {
			answer[name] = value
		}
		return answer
	}
	return nil
}

func (f *fakeProvider) signed() string {
	if f.idToken != nil {
		return f.idToken(f.claims)
	}
	return f.key.sign(f.claims)
}

// config returns the configuration of a relying party of the fake provider.
func (f *fakeProvider) config() upstream.Config {
	config := upstream.Config{
		ID: "corp", Issuer: f.issuer, ClientID: clientID, ClientSecret: clientSecret,
		Scopes: []string{"openid", "email"}, RedirectURI: redirectURI,
	}
	for _, change := range f.changes {
		change(&config)
	}
	return config
}

// provider returns a relying party of the fake provider.
func (f *fakeProvider) provider() *upstream.Provider { return upstream.New(f.config(), now) }

// identify signs a person in at a new relying party.
func (f *fakeProvider) identify(t *testing.T, needed ...string) (*upstream.Identity, error) {
	return f.identifyAt(t, f.provider(), needed...)
}

// identifyAt signs a person in at a relying party.
func (f *fakeProvider) identifyAt(t *testing.T, p *upstream.Provider, needed ...string) (*upstream.Identity, error) {
	return p.Identify(t.Context(), f.login, f.response, upstream.Wish{Needed: needed})
}

// identifyWish signs a person in at a new relying party.
func (f *fakeProvider) identifyWish(t *testing.T, wish upstream.Wish) (*upstream.Identity, error) {
	return f.provider().Identify(t.Context(), f.login, f.response, wish)
}

// signingKey signs ID tokens.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   any
}

// newKey makes a key for ES256.
func newKey(id string) signingKey {
	return signingKey{id, jose.ES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
}

// public returns the key as it is published. A shared secret, which must never be published, is published as it is.
func (k signingKey) public() jose.JSONWebKey {
	if private, ok := k.private.(crypto.Signer); ok {
		return jose.JSONWebKey{Key: private.Public(), KeyID: k.id}
	}
	return jose.JSONWebKey{Key: k.private, KeyID: k.id}
}

func (k signingKey) sign(claims map[string]any) string { return k.signBytes(encode(claims)) }

func (k signingKey) signBytes(payload []byte) string {
	key := jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}
	return must(must(must(jose.NewSigner(key, nil)).Sign(payload)).CompactSerialize())
}

// encode returns an object as JSON.
func encode(object map[string]any) []byte { return must(json.Marshal(object)) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
