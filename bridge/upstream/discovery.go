package upstream

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// retryDiscovery is how long the error of a discovery is returned without a new request, so that many people at once
// do not cause many requests to a provider that is down.
const retryDiscovery = 2 * time.Second

// metadata is the result of a discovery.
type metadata struct {
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`          // those accepted for an ID token
	RequireISS  bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	Prompts     []string `json:"prompt_values_supported"`
	KeySetURL   string   `json:"jwks_uri"`

	provider *oidc.Provider
	keySet   oidc.KeySet
	oauth2   oauth2.Config
}

// Discover fetches the provider's metadata (OIDC Discovery §4) unless they were fetched before. The error is an
// [*UnavailableError].
func (p *Provider) Discover(ctx context.Context) error {
	_, err := p.discovered(ctx)
	return err
}

// Rediscover fetches the metadata again, so that a provider may change its endpoints and keys while we run. If it
// fails, the previous metadata stay in use. It does not block other calls. The error is an [*UnavailableError].
func (p *Provider) Rediscover(ctx context.Context) error {
	p.discovering.Lock()
	defer p.discovering.Unlock()
	return p.discover(ctx)
}

// discovered returns the metadata. It discovers them if necessary, once for all concurrent callers.
func (p *Provider) discovered(ctx context.Context) (*metadata, error) {
	if metadata, err := p.lastDiscovery(); metadata != nil || err != nil {
		return metadata, err
	}
	p.discovering.Lock()
	defer p.discovering.Unlock()
	if metadata, err := p.lastDiscovery(); metadata != nil || err != nil { // by another caller, meanwhile
		return metadata, err
	}
	// Other callers wait for the result, so the discovery must not be cancelled with this request.
	if err := p.discover(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return p.lastDiscovery()
}

// lastDiscovery returns the metadata, or the error of a recent discovery, or neither.
func (p *Provider) lastDiscovery() (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.metadata == nil && p.discoveryErr != nil && p.now().Sub(p.discoveredAt) < retryDiscovery {
		return nil, p.discoveryErr
	}
	return p.metadata, nil
}

func (p *Provider) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	metadata, err := p.fetchMetadata(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discoveredAt = p.now()
	if err != nil {
		p.discoveryErr = &UnavailableError{Stage: StageDiscovery, Err: p.redact(err)}
		return p.discoveryErr
	}
	p.metadata, p.discoveryErr = metadata, nil
	return nil
}

func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.config.Issuer)
	if err != nil {
		return nil, err
	}
	m := &metadata{provider: provider}
	if err := provider.Claims(m); err != nil {
		return nil, err
	}
	endpoint := provider.Endpoint()
	if err := p.checkEndpoints(map[string]string{
		"authorization_endpoint": endpoint.AuthURL,
		"token_endpoint":         endpoint.TokenURL,
		"jwks_uri":               m.KeySetURL,
		"userinfo_endpoint":      provider.UserInfoEndpoint(),
	}); err != nil {
		return nil, err
	}
	if endpoint.AuthStyle, err = p.authStyle(m.AuthMethods); err != nil {
		return nil, err
	}
	m.Algorithms = acceptedAlgorithms(m.Algorithms)
	// The key set fetches keys again when it meets an unknown one, long after ctx has ended.
	m.keySet = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), p.client), m.KeySetURL)
	m.oauth2 = oauth2.Config{
		ClientID:     p.config.ClientID,
		ClientSecret: p.config.ClientSecret,
		Endpoint:     endpoint,
		RedirectURL:  p.config.RedirectURI,
		Scopes:       p.config.Scopes,
	}
	return m, nil
}

// checkEndpoints rejects metadata by which we would send a code, a secret or a person over plain HTTP. Only the
// userinfo endpoint is optional. Plain HTTP is accepted from an issuer on plain HTTP.
func (p *Provider) checkEndpoints(endpoints map[string]string) error {
	for name, endpoint := range endpoints {
		if endpoint == "" && name == "userinfo_endpoint" {
			continue
		}
		parsed, err := url.Parse(endpoint)
		if err != nil || parsed.Host == "" || parsed.Fragment != "" {
			return fmt.Errorf("the metadata have no valid %s", name)
		}
		plain := parsed.Scheme == "http" && strings.HasPrefix(p.config.Issuer, "http://")
		if parsed.Scheme != "https" && !plain {
			return fmt.Errorf("the %s is not https", name)
		}
	}
	return nil
}

// authStyle returns how to authenticate at the token endpoint. It never leaves that to x/oauth2, which would try one
// method after the other and so send a code, which can be used once, twice.
func (p *Provider) authStyle(supported []string) (oauth2.AuthStyle, error) {
	method := p.config.AuthMethod
	switch {
	case method != "":
	case p.config.ClientSecret == "":
		method = AuthMethodNone
	case len(supported) == 0 || slices.Contains(supported, AuthMethodBasic): // the default (OIDC Discovery §3)
		method = AuthMethodBasic
	case slices.Contains(supported, AuthMethodPost):
		method = AuthMethodPost
	default:
		return 0, fmt.Errorf("the token endpoint supports neither %s nor %s", AuthMethodBasic, AuthMethodPost)
	}
	switch method {
	case AuthMethodBasic:
		return oauth2.AuthStyleInHeader, nil
	case AuthMethodPost, AuthMethodNone: // with none, there is no secret to send
		return oauth2.AuthStyleInParams, nil
	}
	return 0, fmt.Errorf("unknown auth_method %q in the configuration", method)
}

// acceptedAlgorithms returns the asymmetric signature algorithms among those that the provider announces. It never
// returns none or an algorithm with a shared secret. The default is RS256 (OIDC Core §3.1.3.7).
func acceptedAlgorithms(announced []string) []string {
	asymmetric := []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
		oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
	accepted := slices.DeleteFunc(asymmetric, func(name string) bool { return !slices.Contains(announced, name) })
	if len(accepted) == 0 {
		return []string{oidc.RS256}
	}
	return accepted
}
