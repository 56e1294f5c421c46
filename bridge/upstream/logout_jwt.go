package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Stages of what a provider sends by itself. An [Error] of one of them means that the JWT is not to be accepted; one of
// another stage, that nobody can tell now.
const (
	StageLogout     = "logout_token"
	StageRevocation = "revocation_token"
)

// maxTokenAge is how old a JWT may be that a provider sends by itself, and for a Global Token Revocation how far ahead
// its expiry.
const maxTokenAge = 10 * time.Minute

// verifySigned returns the claims of a JWT that the provider is said to have signed like its ID tokens. Anybody may
// have sent it. The function accepts reports whether a typ is that of such a JWT; "" means that the JWT has none.
func (p *Provider) verifySigned(ctx context.Context, stage, jwt string, accepts func(typ string) bool) (
	rawClaims, error) {
	typ, err := typeOf(jwt)
	if err != nil {
		return nil, misconfigured(stage, algorithmHint(algorithmOf(jwt)), "not a signed JWT: %w", p.redact(err, jwt))
	}
	if !accepts(typ) {
		return nil, misconfigured(stage, "", "it is a JWT of another type: %q", LogText(typ))
	}
	m, err := p.discoveredForAnybody(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := m.verify(ctx, jwt)
	if err != nil {
		if newer := p.refreshedForAnybody(ctx, m); newer != m { // the provider may have changed its keys
			payload, err = newer.verify(ctx, jwt)
		}
	}
	if err != nil {
		return nil, misconfigured(stage, "if it came from the provider, let that sign it by a key of its key set and an "+
			"algorithm of its ID tokens", "%w", p.redact(err, jwt))
	}
	var claims rawClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, misconfigured(stage, "", "the payload is not a JSON object")
	}
	return claims, nil
}

// typeOf returns the typ of a JWS in compact serialization (RFC 7515 §4.1.9), or "" if it has none.
func typeOf(jwt string) (string, error) {
	var algorithms []jose.SignatureAlgorithm
	for _, name := range asymmetric() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(name))
	}
	parsed, err := jose.ParseSignedCompact(jwt, algorithms)
	if err != nil {
		return "", err
	}
	value, found := parsed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]
	if !found {
		return "", nil
	}
	typ, isText := value.(string)
	if !isText || typ == "" {
		return "", errors.New("typ is not a text")
	}
	return typ, nil
}

// verify returns the payload of a JWT that one of the keys signed by an accepted algorithm.
func (m *metadata) verify(ctx context.Context, jwt string) ([]byte, error) {
	if algorithm := algorithmOf(jwt); !slices.Contains(m.algorithms, algorithm) {
		return nil, fmt.Errorf("its algorithm is %q, and the provider signs ID tokens by %q", algorithm, m.algorithms)
	}
	return m.keys.VerifySignature(ctx, jwt)
}

// maxWaitingAnybody is how many callers of discoveredForAnybody may wait for a discovery. It is a small part of
// maxWaiting, so that they keep nobody from signing in.
const maxWaitingAnybody = 8

// discoveredForAnybody is discovered for a JWT that anybody may have sent.
func (p *Provider) discoveredForAnybody(ctx context.Context) (*metadata, error) {
	if metadata, err := p.lastDiscovery(); metadata != nil || err != nil {
		return metadata, err
	}
	defer p.waitingAnybody.Add(-1)
	if p.waitingAnybody.Add(1) > maxWaitingAnybody {
		return nil, &Error{Kind: OutOfReach, Stage: StageDiscovery, Err: errors.New("several wait for the discovery already")}
	}
	return p.discovered(ctx)
}

// refreshedForAnybody is refreshed for a JWT that anybody may have sent. One of these in refreshInterval may have
// metadata fetched and wait for it; it takes nothing from what ID tokens may have fetched.
func (p *Provider) refreshedForAnybody(ctx context.Context, unfit *metadata) *metadata {
	p.mu.Lock()
	current, now := p.metadata, p.now()
	mayFetch := current == unfit && now.Sub(p.refreshedAnybodyAt) >= refreshInterval
	if mayFetch {
		p.refreshedAnybodyAt = now
	}
	p.mu.Unlock()
	if !mayFetch || p.beginDiscovery(ctx) != nil {
		return current
	}
	defer p.endDiscovery()
	if newer, _ := p.lastDiscovery(); newer != unfit { // by another caller, meanwhile
		return newer
	}
	newer, err := p.discover(context.WithoutCancel(ctx))
	if err != nil {
		return unfit
	}
	return newer
}

// timeOf returns a time of a JWT (NumericDate, RFC 7519 §2), or the zero time if it has none. The time must not be
// further before and after now than these durations and the clock skew.
func (p *Provider) timeOf(stage string, claims rawClaims, name string, before, after time.Duration) (time.Time, error) {
	value, found := claims[name]
	if !found {
		return time.Time{}, nil
	}
	var seconds float64
	if err := json.Unmarshal(value, &seconds); err != nil || seconds <= 0 || seconds >= 1<<40 {
		return time.Time{}, misconfigured(stage, "", "%s is not a time", name)
	}
	at := time.UnixMilli(int64(seconds * 1000))
	if ahead := at.Sub(p.now()); ahead < -before-clockSkew || ahead > after+clockSkew {
		return time.Time{}, &Error{Kind: Outdated, Stage: stage,
			Hint: "compare the clocks of this machine and of the provider",
			Err:  fmt.Errorf("%s is %s", name, fromNow(ahead))}
	}
	return at, nil
}

// fromNow says how far from now a time is, such as "12m0s ago".
func fromNow(ahead time.Duration) string {
	ahead = ahead.Round(time.Second)
	if ahead < 0 {
		return (-ahead).String() + " ago"
	}
	return ahead.String() + " ahead"
}

// ever is longer than any time of a JWT is from now.
const ever = 1 << 62 * time.Nanosecond

// text returns a claim that is a text, or "" if the claim is missing.
func (c rawClaims) text(stage, name string) (string, error) {
	var text string
	if value, found := c[name]; found && (json.Unmarshal(value, &text) != nil || text == "") {
		return "", misconfigured(stage, "", "%s is not a text, or empty", name)
	}
	return text, nil
}

// checkIssuer checks the iss of what a provider sent by itself.
func (p *Provider) checkIssuer(stage string, claims rawClaims) error {
	if issuer := claims.string("iss"); issuer != p.config.Issuer {
		return misconfigured(stage, "set issuer to exactly the iss of what the provider signs", "iss is %q, the issuer is %q",
			LogText(issuer), p.config.Issuer)
	}
	return nil
}
