package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	maxBody  = 1 << 20 // bytes of a response body
	maxConns = 64      // concurrent requests to a provider, since anybody can start a sign-in
)

var errTooLarge = errors.New("the response is larger than 1 MiB")

// newHTTPClient returns a client for one provider: with timeouts, bounded responses and no redirects, which could
// carry a code or a secret to another server.
func newHTTPClient(config Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() // keeps HTTPS_PROXY and NO_PROXY
	transport.TLSClientConfig = &tls.Config{RootCAs: config.CAs, MinVersion: tls.VersionTLS12}
	transport.TLSHandshakeTimeout = config.Timeout
	transport.ResponseHeaderTimeout = config.Timeout
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.IdleConnTimeout = time.Minute
	transport.MaxConnsPerHost = maxConns
	return &http.Client{
		Transport: boundedTransport{transport},
		Timeout:   config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the provider responded with a redirect, which is not followed")
		},
	}
}

// boundedTransport limits the body of every response to maxBody.
type boundedTransport struct {
	http.RoundTripper
}

func (t boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxBody}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int // negative: the body was too large
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// LoadCAs reads a PEM file of certificate authorities to trust in addition to those of the system.
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
		return nil, fmt.Errorf("%s contains no certificate in PEM format", path)
	}
	return pool, nil
}
