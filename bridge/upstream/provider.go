// Package upstream is the bridge as a relying party of OpenID Providers: it sends people to a provider's sign-in and
// learns from the response who they are.
//
// A sign-in takes two calls. [Provider.AuthorizationURL] returns where to send the browser. [Provider.Identify] takes
// what the provider sent to the callback and returns an [Identity]: it checks the authorization response, exchanges
// the code, verifies the ID token and, if a claim is missing, requests userinfo. The metadata and keys that both need
// are discovered on first use. A sign-in that fails is an [*Error], whose [Kind] says who can do something about it.
//
// Of what a provider sends, that which decides is read strictly: signature, issuer, audience, times, nonce and the
// subject. All else is read leniently, since many providers write it in forms of their own: what is not readable
// counts as missing, and [Identity] names it. Package go-oidc verifies ID tokens; what it leaves to its caller is
// checked here, and each check names its rule. The caller makes state, nonce and verifier, keeps them with the
// browser, and compares the state.
package upstream

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Client authentication methods at a provider's token endpoint (OIDC Core §9).
const (
	AuthMethodBasic = "client_secret_basic"
	AuthMethodPost  = "client_secret_post"
	AuthMethodNone  = "none"
)

// Config describes one provider.
type Config struct {
	ID           string // our name for it, which is part of the redirect URI
	Issuer       string // exactly the iss of its ID tokens
	ClientID     string
	ClientSecret string         // empty for a public client
	AuthMethod   string         // one of the constants; empty: chosen by discovery
	Scopes       []string       // must contain openid
	AuthParams   url.Values     // added to every authorization request, except for [ReservedParams]
	DiscoveryURL string         // of the discovery document; empty: below the issuer
	SubjectClaim string         // the claim that identifies a person; empty: sub
	EmailClaim   []string       // the path of the e-mail address in the claims; empty: email
	NameClaim    []string       // the path of the name in the claims; empty: name
	GroupsClaim  []string       // the path of the groups in the claims; empty: groups
	CAs          *x509.CertPool // nil: those of the system
	Timeout      time.Duration  // of one request to the provider; 0: 10 s
	RedirectURI  string         // our callback for this provider
	// Offline asks for a refresh token at each sign-in, unless that is NoOffline: by the scope offline_access and
	// prompt=consent (OIDC Core §11), or in the provider's own way if AuthParams has access_type=offline. A prompt in
	// AuthParams stays.
	Offline bool
}

// Provider is one OpenID Provider. It is safe for concurrent use.
type Provider struct {
	config Config
	now    func() time.Time
	client *http.Client

	discovering chan struct{} // has room for one, who runs a discovery
	waiting     atomic.Int32  // for a discovery
	refreshedAt time.Time     // when metadata were last fetched because an ID token did not fit; guarded by discovering

	waitingAnybody atomic.Int32 // of waiting, those with a JWT that anybody may have sent

	mu                 sync.Mutex // guards what follows
	metadata           *metadata  // nil until a discovery succeeds
	discoveryErr       error      // of the last discovery
	discoveredAt       time.Time  // when the last discovery ended
	refreshedAnybodyAt time.Time  // when metadata were last fetched because a JWT did not fit that anybody may have sent
}

// New returns a provider. It sends no request: the provider is discovered by the first call that needs its metadata.
// The function now returns the current time.
func New(config Config, now func() time.Time) *Provider {
	if config.SubjectClaim == "" {
		config.SubjectClaim = "sub"
	}
	for path, name := range map[*[]string]string{
		&config.EmailClaim: claimEmail, &config.NameClaim: claimName, &config.GroupsClaim: claimGroups,
	} {
		if len(*path) == 0 {
			*path = []string{name}
		}
	}
	if config.AuthMethod == AuthMethodNone {
		config.ClientSecret = ""
	}
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	return &Provider{config: config, now: now, client: newHTTPClient(config), discovering: make(chan struct{}, 1)}
}

// ID returns the id of the configuration.
func (p *Provider) ID() string { return p.config.ID }

// Issuer returns the issuer of the configuration.
func (p *Provider) Issuer() string { return p.config.Issuer }

// ClientID returns our client id at the provider.
func (p *Provider) ClientID() string { return p.config.ClientID }

// SubjectClaim returns the name of the claim that subjects are taken from.
func (p *Provider) SubjectClaim() string { return p.config.SubjectClaim }

// EmailClaim returns the path of the claim that e-mail addresses are taken from, joined by dots.
func (p *Provider) EmailClaim() string { return strings.Join(p.config.EmailClaim, ".") }

// GroupsClaim returns the path of the claim that groups are taken from, joined by dots.
func (p *Provider) GroupsClaim() string { return strings.Join(p.config.GroupsClaim, ".") }

// RefusesEmbeddedBrowsers reports whether the provider is known to refuse sign-ins in an embedded browser (a web
// view).
func (p *Provider) RefusesEmbeddedBrowsers() bool {
	return p.config.Issuer == "https://accounts.google.com"
}
