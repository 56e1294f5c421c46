package alexa

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	// signerName is the name that the certificate of Alexa has as a subject alternative name.
	signerName = "echo-api.amazon.com"

	notFetched = "alexa: the certificate of the request could not be fetched"

	maxChain      = 64 << 10 // bytes
	maxChains     = 16       // that are remembered
	maxFetches    = 4        // at once
	fetchTimeout  = 3 * time.Second
	maxChainCerts = 8
)

// chains remembers the certificates of Alexa by their URL. The zero value has none.
type chains struct {
	once    sync.Once
	known   *lru.Cache[string, []*x509.Certificate]
	fetches chan struct{} // one for each that runs
	group   singleflight.Group
}

func (c *chains) init() {
	known, err := lru.New[string, []*x509.Certificate](maxChains)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	c.known, c.fetches = known, make(chan struct{}, maxFetches)
}

// key returns the public key of the certificate under a URL, which is verified at each use. Only certificates that
// were good are remembered, so that nobody can drive out those of Alexa.
func (c *chains) key(ctx context.Context, v *Verifier, chainURL string, now time.Time) (*rsa.PublicKey, error) {
	normal, err := checkChainURL(chainURL)
	if err != nil {
		return nil, err
	}
	c.once.Do(c.init)
	if chain, found := c.known.Get(normal); found {
		if key, err := verifyChain(chain, v.Roots, now); err == nil {
			return key, nil
		}
		// It may have been renewed.
	}
	chain, err := c.fetchOnce(ctx, v, normal)
	if err != nil {
		return nil, err
	}
	key, err := verifyChain(chain, v.Roots, now)
	if err != nil {
		return nil, err
	}
	c.known.Add(normal, chain)
	return key, nil
}

// has reports whether the certificate under a URL is remembered.
func (c *chains) has(chainURL string) bool {
	c.once.Do(c.init)
	normal, err := checkChainURL(chainURL)
	return err == nil && c.known.Contains(normal)
}

// fetchOnce fetches a certificate for all that want it now. Who gives up waiting disturbs no other.
func (c *chains) fetchOnce(ctx context.Context, v *Verifier, chainURL string) ([]*x509.Certificate, error) {
	result := c.group.DoChan(chainURL, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		select {
		case c.fetches <- struct{}{}:
			defer func() { <-c.fetches }()
		case <-ctx.Done():
			return nil, errors.New("alexa: too many certificates are fetched at once")
		}
		return fetchChain(ctx, v.Transport, chainURL)
	})
	select {
	case fetched := <-result:
		chain, _ := fetched.Val.([]*x509.Certificate)
		return chain, fetched.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("alexa: the certificate of the request: %w", ctx.Err())
	}
}

// fetchChain fetches certificates. What Amazon's server does not have, or what is none, is refused.
func fetchChain(ctx context.Context, transport http.RoundTripper, chainURL string) ([]*x509.Certificate, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, chainURL, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // away from the only host that may be asked
	}}
	response, err := client.Do(request)
	if urlError, ok := errors.AsType[*url.Error](err); ok { // without the URL, which a stranger may have chosen
		err = urlError.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", notFetched, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxChain+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", notFetched, err)
	case response.StatusCode >= 500, response.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%s: status %d", notFetched, response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return nil, refused("there is no certificate under SignatureCertChainUrl: status %d", response.StatusCode)
	case len(body) > maxChain:
		return nil, refused("what is under SignatureCertChainUrl is larger than %d bytes", maxChain)
	}
	return parseChain(body)
}

// parseChain reads certificates in PEM, first the one that signs requests, then those that lead to an authority.
func parseChain(data []byte) (chain []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" || len(chain) == maxChainCerts {
			return nil, refused("what is under SignatureCertChainUrl is not a chain of certificates")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refused("what is under SignatureCertChainUrl is not a chain of certificates: %w", err)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, refused("there is no certificate under SignatureCertChainUrl")
	}
	return chain, nil
}

// verifyChain returns the public key of the first certificate if it is Alexa's, is valid at a time, and leads to an
// authority that is trusted.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) (*rsa.PublicKey, error) {
	leaf, intermediates := chain[0], x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	if !slices.Contains(leaf.DNSNames, signerName) { // exactly: no wildcard
		return nil, refused("the certificate is not for %s", signerName)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: signerName, Roots: roots, Intermediates: intermediates, CurrentTime: now,
	})
	if err != nil {
		return nil, refused("the certificate: %w", err)
	}
	key, isRSA := leaf.PublicKey.(*rsa.PublicKey)
	if !isRSA {
		return nil, refused("the key of the certificate is not an RSA key")
	}
	return key, nil
}
