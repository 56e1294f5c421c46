// Package upstream is this program as a relying party of OpenID Providers: it sends people to sign in and learns from the
// answer who they are. Protocol and keys are go-oidc's and x/oauth2's; what those leave to their caller is done here, and
// each check names its rule.
package upstream

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Ways to authenticate at a provider's token endpoint (OIDC Core §9).
const (
	AuthMethodBasic = "client_secret_basic"
	AuthMethodPost  = "client_secret_post"
	AuthMethodNone  = "none"
)

// Config describes one provider.
type Config struct {
	ID           string // ours, in the path of the redirect URI
	Issuer       string // exactly as in its ID tokens
	ClientID     string
	ClientSecret string     // empty for a public client
	AuthMethod   string     // one of the constants; empty: as discovery says
	Scopes       []string   // openid among them
	AuthParams   url.Values // added to every authorization URL
	SubjectClaim string     // empty: sub
	GroupsClaim  []string   // the path of the groups in the claims; empty: groups
	CAs          *x509.CertPool
	Timeout      time.Duration // of one request to the provider; 0: 10 s
	RedirectURI  string        // our callback for this provider
}

// Provider is one OpenID Provider. It is safe for concurrent use.
type Provider struct {
	config Config
	now    func() time.Time
	client *http.Client

	discovering sync.Mutex // held while the provider is asked, so that there is one discovery at a time

	mu       sync.Mutex
	metadata *metadata // nil until discovery succeeded
	failed   error     // the last discovery's error
	tried    time.Time // when discovery was last tried
}

// metadata is what discovery told, ready for use.
type metadata struct {
	provider   *oidc.Provider
	keySet     oidc.KeySet
	algorithms []string // that an ID token may be signed with
	oauth2     oauth2.Config
	requireISS bool // the provider announces iss in authorization responses (RFC 9207 §3)
	prompts    []string
}

// New returns a provider that has yet to be discovered. Nothing is asked over the network before the first call that
// needs it.
func New(config Config, now func() time.Time) *Provider {
	if config.SubjectClaim == "" {
		config.SubjectClaim = "sub"
	}
	if len(config.GroupsClaim) == 0 {
		config.GroupsClaim = []string{groupsClaim}
	}
	if config.AuthMethod == AuthMethodNone {
		config.ClientSecret = ""
	}
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	return &Provider{config: config, now: now, client: newHTTPClient(config)}
}

// ID is the provider's id in the configuration.
func (p *Provider) ID() string { return p.config.ID }

// Issuer is the provider's issuer, as configured.
func (p *Provider) Issuer() string { return p.config.Issuer }

// SubjectClaim is the claim that subjects are taken from.
func (p *Provider) SubjectClaim() string { return p.config.SubjectClaim }

// GroupsClaim is the path of the claim that groups are taken from, joined by dots.
func (p *Provider) GroupsClaim() string { return strings.Join(p.config.GroupsClaim, ".") }

// RefusesEmbeddedBrowsers says whether the provider is known to refuse to sign people in inside another app's window.
func (p *Provider) RefusesEmbeddedBrowsers() bool {
	return p.config.Issuer == "https://accounts.google.com"
}

// retryDiscovery is how long a failed discovery is taken for the answer, so that many people at once do not become many
// requests to a provider that is down.
const retryDiscovery = 2 * time.Second

// Discover asks for the provider's metadata (OIDC Discovery §4) unless it is known. It returns an [*UnavailableError]
// when that fails.
func (p *Provider) Discover(ctx context.Context) error {
	_, err := p.discovered(ctx)
	return err
}

// Rediscover asks again and keeps what was known if that fails, so that a provider may change its endpoints and keys
// while we run. Whoever needs the provider meanwhile goes on with what was known.
func (p *Provider) Rediscover(ctx context.Context) error {
	p.discovering.Lock()
	defer p.discovering.Unlock()
	return p.discover(ctx)
}

func (p *Provider) discovered(ctx context.Context) (*metadata, error) {
	if known, err := p.known(); known != nil || err != nil {
		return known, err
	}
	p.discovering.Lock()
	defer p.discovering.Unlock()
	if known, err := p.known(); known != nil || err != nil { // another was quicker
		return known, err
	}
	// The answer serves everybody who waits for it, so it must not end with the request that happened to ask.
	if err := p.discover(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return p.known()
}

// known returns the metadata, or the error of a discovery that failed just now, or nothing.
func (p *Provider) known() (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.metadata == nil && p.failed != nil && p.now().Sub(p.tried) < retryDiscovery {
		return nil, p.failed
	}
	return p.metadata, nil
}

func (p *Provider) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	found, err := p.fetchMetadata(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried = p.now()
	if err != nil {
		p.failed = &UnavailableError{Stage: StageDiscovery, Err: p.safe(err)}
		return p.failed
	}
	p.metadata, p.failed = found, nil
	return nil
}

func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.config.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms  []string `json:"id_token_signing_alg_values_supported"`
		ISS         bool     `json:"authorization_response_iss_parameter_supported"`
		Prompts     []string `json:"prompt_values_supported"`
		KeySet      string   `json:"jwks_uri"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	if err := p.checkEndpoints(endpoint.AuthURL, endpoint.TokenURL, more.KeySet, provider.UserInfoEndpoint()); err != nil {
		return nil, err
	}
	if endpoint.AuthStyle, err = p.authStyle(more.AuthMethods); err != nil {
		return nil, err
	}
	return &metadata{
		provider: provider,
		// Keys are fetched anew when an unknown one comes, long after this request.
		keySet:     oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), p.client), more.KeySet),
		algorithms: allowedAlgorithms(more.Algorithms),
		oauth2: oauth2.Config{
			ClientID:     p.config.ClientID,
			ClientSecret: p.config.ClientSecret,
			Endpoint:     endpoint,
			RedirectURL:  p.config.RedirectURI,
			Scopes:       p.config.Scopes,
		},
		requireISS: more.ISS,
		prompts:    more.Prompts,
	}, nil
}

// checkEndpoints refuses a provider whose metadata would make us send a code, a secret or a person over plain HTTP.
func (p *Provider) checkEndpoints(authorization, token, keySet, userinfo string) error {
	for name, endpoint := range map[string]string{
		"authorization_endpoint": authorization, "token_endpoint": token, "jwks_uri": keySet, "userinfo_endpoint": userinfo,
	} {
		if endpoint == "" && name == "userinfo_endpoint" {
			continue
		}
		parsed, err := url.Parse(endpoint)
		if err != nil || parsed.Host == "" || parsed.Fragment != "" {
			return fmt.Errorf("its metadata has no usable %s", name)
		}
		plain := parsed.Scheme == "http" && strings.HasPrefix(p.config.Issuer, "http://")
		if parsed.Scheme != "https" && !plain {
			return fmt.Errorf("its %s is not https", name)
		}
	}
	return nil
}

// authStyle says how we authenticate at the token endpoint. It is never found out by trying, which would send a code,
// good for one use, twice.
func (p *Provider) authStyle(supported []string) (oauth2.AuthStyle, error) {
	method := p.config.AuthMethod
	switch {
	case method != "":
	case p.config.ClientSecret == "":
		method = AuthMethodNone
	case len(supported) == 0 || slices.Contains(supported, AuthMethodBasic): // Basic is the default (OIDC Discovery §3)
		method = AuthMethodBasic
	case slices.Contains(supported, AuthMethodPost):
		method = AuthMethodPost
	default:
		return 0, fmt.Errorf("it takes a client secret neither by %s nor by %s", AuthMethodBasic, AuthMethodPost)
	}
	switch method {
	case AuthMethodBasic:
		return oauth2.AuthStyleInHeader, nil
	case AuthMethodPost, AuthMethodNone: // for none without the secret, since there is none
		return oauth2.AuthStyleInParams, nil
	}
	return 0, fmt.Errorf("the configured auth_method %q is unknown", method)
}

// allowedAlgorithms are the asymmetric signature algorithms that the provider announces: never none, and never one with
// a shared secret, whatever it says. It announces RS256 when it says nothing (OIDC Core §3.1.3.7).
func allowedAlgorithms(announced []string) []string {
	strong := []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
		oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
	}
	allowed := slices.DeleteFunc(strong, func(algorithm string) bool { return !slices.Contains(announced, algorithm) })
	if len(allowed) == 0 {
		return []string{oidc.RS256}
	}
	return allowed
}

// LoadCAs reads a PEM file of certificate authorities to be trusted beside the system's.
func LoadCAs(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}
