package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// retryDiscovery is how long the error of a discovery is returned without a new request, so that many people at
	// once do not cause many requests to a provider that is down.
	retryDiscovery = 2 * time.Second
	// refreshInterval bounds how often metadata are fetched again because an ID token does not fit to them.
	refreshInterval = 10 * time.Second
)

// metadata is the result of a discovery: what is needed of the provider's metadata (OIDC Discovery §3), and its keys.
type metadata struct {
	oauth2      oauth2.Config
	userinfoURL string // empty: the provider has none
	keySetURL   string
	authMethod  string
	algorithms  []string // those accepted for an ID token
	prompts     []string // those announced
	requireISS  bool     // RFC 9207 §3
	keys        oidc.StaticKeySet
	skippedKeys int // that cannot be read
}

// Discovery says what a discovery found.
type Discovery struct {
	URL         string // of the discovery document, without its query
	AuthMethod  string // at the token endpoint
	Algorithms  []string
	Keys        int
	SkippedKeys int // that cannot be read, or are not for signatures
}

// Discover fetches the provider's metadata and keys unless they were fetched before. The error is an [*Error].
func (p *Provider) Discover(ctx context.Context) error {
	_, err := p.discovered(ctx)
	return err
}

// Rediscover fetches metadata and keys again, so that a provider may change them while we run. If it fails, the
// previous ones stay in use. It does not block other calls. The error is an [*Error].
func (p *Provider) Rediscover(ctx context.Context) (Discovery, error) {
	if err := p.beginDiscovery(ctx); err != nil {
		return Discovery{}, err
	}
	defer p.endDiscovery()
	m, err := p.discover(ctx)
	if err != nil {
		return Discovery{}, err
	}
	return Discovery{shownURL(p.discoveryURL()), m.authMethod, m.algorithms, len(m.keys.PublicKeys), m.skippedKeys}, nil
}

// discovered returns the metadata. It discovers them if necessary, once for all concurrent callers.
func (p *Provider) discovered(ctx context.Context) (*metadata, error) {
	if metadata, err := p.lastDiscovery(); metadata != nil || err != nil {
		return metadata, err
	}
	if err := p.beginDiscovery(ctx); err != nil {
		return nil, err
	}
	defer p.endDiscovery()
	if metadata, err := p.lastDiscovery(); metadata != nil || err != nil { // by another caller, meanwhile
		return metadata, err
	}
	// Other callers wait for the result, so the discovery must not be cancelled with this request.
	return p.discover(context.WithoutCancel(ctx))
}

// refreshed returns metadata that are newer than those that an ID token did not fit to, or the same ones when the
// last refresh is not long ago or when a new one fails.
func (p *Provider) refreshed(ctx context.Context, unfit *metadata) *metadata {
	if err := p.beginDiscovery(ctx); err != nil {
		return unfit
	}
	defer p.endDiscovery()
	p.mu.Lock()
	current := p.metadata
	p.mu.Unlock()
	if current != unfit || p.now().Sub(p.refreshedAt) < refreshInterval {
		return current
	}
	p.refreshedAt = p.now()
	newer, err := p.discover(context.WithoutCancel(ctx))
	if err != nil {
		return unfit
	}
	return newer
}

// maxWaiting is how many may wait for a discovery.
const maxWaiting = 100

// beginDiscovery waits until no other discovery runs. The caller must end it.
func (p *Provider) beginDiscovery(ctx context.Context) error {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxWaiting {
		return &Error{Kind: OutOfReach, Stage: StageDiscovery, Err: errors.New("many wait for the discovery already")}
	}
	select {
	case p.discovering <- struct{}{}: // also for a caller that has gone: others will need the result
		return nil
	default:
	}
	select {
	case p.discovering <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &Error{Kind: OutOfReach, Stage: StageDiscovery, Err: ctx.Err()}
	}
}

func (p *Provider) endDiscovery() { <-p.discovering }

// lastDiscovery returns the metadata, or the error of a recent discovery, or neither.
func (p *Provider) lastDiscovery() (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.metadata == nil && p.discoveryErr != nil && p.now().Sub(p.discoveredAt) < retryDiscovery {
		return nil, p.discoveryErr
	}
	return p.metadata, nil
}

// discover must be called between beginDiscovery and endDiscovery.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	m, err := p.fetchMetadata(ctx)
	if err == nil {
		err = p.fetchKeys(ctx, m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discoveredAt = p.now()
	if err != nil {
		p.discoveryErr = err
		return nil, err
	}
	p.metadata, p.discoveryErr = m, nil
	return m, nil
}

const wellKnown = "/.well-known/openid-configuration"

func (p *Provider) discoveryURL() string {
	if p.config.DiscoveryURL != "" {
		return p.config.DiscoveryURL
	}
	return strings.TrimSuffix(p.config.Issuer, "/") + wellKnown
}

// fetchMetadata fetches the discovery document and checks what is needed of it.
func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	document, err := p.fetchDocument(ctx)
	if err != nil {
		return nil, err
	}
	m := &metadata{
		oauth2: oauth2.Config{
			ClientID:    p.config.ClientID,
			RedirectURL: p.config.RedirectURI,
			Scopes:      p.config.Scopes,
			Endpoint: oauth2.Endpoint{
				AuthURL:  document.string("authorization_endpoint"),
				TokenURL: document.string("token_endpoint"),
			},
		},
		userinfoURL: document.string("userinfo_endpoint"),
		keySetURL:   document.string("jwks_uri"),
		prompts:     document.list("prompt_values_supported"),
		requireISS:  string(document["authorization_response_iss_parameter_supported"]) == "true",
	}
	if err := p.checkEndpoints(m); err != nil {
		return nil, err
	}
	if m.authMethod, err = p.authMethod(document.list("token_endpoint_auth_methods_supported")); err != nil {
		return nil, err
	}
	m.algorithms, err = acceptedAlgorithms(document.list("id_token_signing_alg_values_supported"))
	return m, err
}

// fetchDocument fetches the discovery document, which must announce exactly the configured issuer (OIDC Discovery
// §4.3).
func (p *Provider) fetchDocument(ctx context.Context) (rawClaims, error) {
	const hint = "set issuer to exactly the iss of the provider's ID tokens, without " + wellKnown +
		", or discovery_url if the document is elsewhere"
	asked := shownURL(p.discoveryURL())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.discoveryURL(), nil)
	if err != nil {
		return nil, misconfigured(StageDiscovery, hint, "the issuer is not a URL")
	}
	got, err := p.do(request)
	var e *Error
	var document rawClaims
	switch {
	case err != nil:
		e = p.transportError(StageDiscovery, err)
	case got.status != http.StatusOK:
		e = statusError(StageDiscovery, got)
	case json.Unmarshal(got.body, &document) != nil:
		e = misconfigured(StageDiscovery, hint, "the response is not a JSON object")
	case document.string("issuer") != p.config.Issuer:
		return nil, misconfigured(StageDiscovery, issuerHint(document.string("issuer")),
			"%s announces the issuer %q, configured is %q", asked, LogText(document.string("issuer")), p.config.Issuer)
	default:
		return document, nil
	}
	e.Err = fmt.Errorf("%s: %w", asked, e.Err)
	if e.Kind == Misconfigured && e.Hint == "" {
		e.Hint = hint
	}
	return nil, e
}

// issuerHint says what to do about a provider that announces another issuer than the configured one.
func issuerHint(announced string) string {
	if strings.ContainsAny(announced, "{}") {
		return "set issuer to that of your tenant; the announced one is a pattern"
	}
	return "set issuer to the announced one if that is the iss of the provider's ID tokens"
}

// checkEndpoints rejects metadata by which we would send a code, a secret or a person over plain HTTP. Only the
// userinfo endpoint is optional. Plain HTTP is accepted from an issuer on plain HTTP.
func (p *Provider) checkEndpoints(m *metadata) error {
	for name, endpoint := range map[string]string{
		"authorization_endpoint": m.oauth2.Endpoint.AuthURL,
		"token_endpoint":         m.oauth2.Endpoint.TokenURL,
		"jwks_uri":               m.keySetURL,
		"userinfo_endpoint":      m.userinfoURL,
	} {
		if endpoint == "" && name == "userinfo_endpoint" {
			continue
		}
		parsed, err := url.Parse(endpoint)
		if err != nil || parsed.Host == "" || parsed.Fragment != "" {
			return misconfigured(StageDiscovery, "correct the provider's metadata", "the metadata have no valid %s", name)
		}
		plain := parsed.Scheme == "http" && strings.HasPrefix(p.config.Issuer, "http://")
		if parsed.Scheme != "https" && !plain {
			return misconfigured(StageDiscovery, "correct the provider's public URL", "the %s is not https", name)
		}
	}
	return nil
}

// authMethod returns how to authenticate at the token endpoint. It is never found out by trying one method after the
// other, which would send a code twice that can be used once.
func (p *Provider) authMethod(supported []string) (string, error) {
	known := []string{AuthMethodBasic, AuthMethodPost, AuthMethodNone}
	switch {
	case p.config.AuthMethod != "" && !slices.Contains(known, p.config.AuthMethod):
		return "", misconfigured(StageDiscovery, "use one of "+strings.Join(known, ", "),
			"unknown auth_method %q", p.config.AuthMethod)
	case p.config.AuthMethod != "":
		return p.config.AuthMethod, nil
	case p.config.ClientSecret == "":
		return AuthMethodNone, nil
	case len(supported) == 0 || slices.Contains(supported, AuthMethodBasic): // the default (OIDC Discovery §3)
		return AuthMethodBasic, nil
	case slices.Contains(supported, AuthMethodPost):
		return AuthMethodPost, nil
	}
	return "", misconfigured(StageDiscovery, "set auth_method if the provider accepts one of the two after all",
		"the token endpoint supports neither %s nor %s", AuthMethodBasic, AuthMethodPost)
}

// acceptedAlgorithms returns the asymmetric signature algorithms among those that the provider announces. It never
// returns one with a shared secret. The default is RS256 (OIDC Core §3.1.3.7).
func acceptedAlgorithms(announced []string) ([]string, error) {
	if len(announced) == 0 {
		return []string{oidc.RS256}, nil
	}
	accepted := slices.DeleteFunc(asymmetric(), func(name string) bool { return !slices.Contains(announced, name) })
	if len(accepted) == 0 {
		return nil, misconfigured(StageDiscovery, hintAlgorithm,
			"the provider signs ID tokens by %s only", LogText(strings.Join(announced, ", ")))
	}
	return accepted, nil
}

func asymmetric() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
		oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

const hintAlgorithm = "let the provider sign the ID tokens of this client by RS256 or ES256; " +
	"those that need a shared secret (HS256) are not accepted"
